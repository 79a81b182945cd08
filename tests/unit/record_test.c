/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/record.c"

#include "base/text.h"
#include "tests/unit/unit.h"

/* RFC 8448 3: the secrets of the simple handshake, and the client's first record of data. */
#define CLIENT_SECRET "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"
#define SERVER_SECRET "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"
#define CLIENT_RECORD                                                                              \
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a"     \
    "20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"
/* The server's, its second: a ticket was the first. */
#define SERVER_RECORD                                                                              \
    "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb50"   \
    "1a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d"
/* Not in the RFC, but what others compute from it: the client's secret after one update. */
#define CLIENT_UPDATED "fcdfcc72725aaee48bf64e4fd8b749cdbdbab39d90da0b26e2245ca6ea167207"

#define AES_128  0x1301
#define AES_256  0x1302
#define CHACHA20 0x1303
static const uint16_t all_suites[] = {AES_128, AES_256, CHACHA20};

static size_t unhex(const char *hex, uint8_t *out)
{
    char clean[512];
    size_t n = 0;

    for (; *hex != '\0'; hex++) {
        if (*hex != ' ')
            clean[n++] = *hex;
    }
    clean[n] = '\0';
    assert_true(text_unhex(clean, out, n / 2));
    return n / 2;
}

/* A server's records, and the same secrets as its client has them. */
struct pair {
    struct record_pool *pool;
    struct record *server, *client;
    uint8_t wire[1 << 18]; /* what one of them has written */
    struct tls_io io;      /* of the reader */
    uint8_t answers[TLS_OUT_ROOM];
    uint8_t spare[TLS_SPARE_ROOM];
    uint8_t plain[1 << 18];
    size_t plain_len;
};

static struct pair *pair_new(uint16_t suite)
{
    struct pair *p = calloc(1, sizeof *p);
    struct record_secrets s = {.suite = suite}, mirrored = {.suite = suite};

    for (size_t i = 0; i < RECORD_SECRET_MAX; i++) {
        s.read[i] = mirrored.write[i] = (uint8_t)(i * 7 + 1);
        s.write[i] = mirrored.read[i] = (uint8_t)(i * 11 + 5);
    }
    p->pool = record_pool_new();
    p->server = record_new(p->pool, &s);
    p->client = record_new(p->pool, &mirrored);
    assert_non_null(p->server);
    assert_non_null(p->client);
    return p;
}

static void pair_free(struct pair *p)
{
    record_free(p->server);
    record_free(p->client);
    record_pool_free(p->pool);
    free(p);
}

static struct tls_io writer(struct pair *p)
{
    return (struct tls_io){.out = p->wire, .out_cap = sizeof p->wire};
}

/* Reads n bytes of the wire, so many per call, with so much room; what comes out is added. */
static enum tls_result reads(struct pair *p, struct record *r, size_t n, size_t step, size_t room)
{
    enum tls_result result = TLS_AGAIN;
    size_t at = 0, got;
    uint8_t *exact = malloc(room); /* a byte more and ASan would see it */

    p->io = (struct tls_io){.out = p->answers, .out_cap = sizeof p->answers, .spare = p->spare};
    while (at < n) {
        size_t take = step < n - at ? step : n - at;

        p->io.in = p->wire + at;
        p->io.in_len = take;
        while ((result = record_open(r, &p->io, exact, room, &got)) == TLS_OK) {
            assert_in_range(got, 1, room);
            memcpy(p->plain + p->plain_len, exact, got);
            p->plain_len += got;
        }
        memset(p->spare, 0xee, sizeof p->spare); /* the next connection's */
        if (result != TLS_AGAIN)
            break;
        assert_int_equal(p->io.in_len, 0);
        at += take;
    }
    free(exact);
    return result;
}

static void test_the_rfcs_example(void **state)
{
    struct record_pool *pool = record_pool_new();
    struct record_secrets s = {.suite = AES_128};
    struct record_direction next;
    struct record *r;
    uint8_t wire[128], plain[128], out[128], updated[64];
    size_t n, len = unhex(CLIENT_RECORD, wire);
    struct tls_io io = {.in = wire, .in_len = len, .out = out, .out_cap = sizeof out};

    (void)state;
    unhex(CLIENT_SECRET, s.read);
    unhex(SERVER_SECRET, s.write);
    r = record_new(pool, &s);
    assert_int_equal(record_open(r, &io, plain, sizeof plain, &n), TLS_OK);
    assert_int_equal(n, 50);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(plain[i], i);
    assert_string_equal(record_suite_name(r), "TLS_AES_128_GCM_SHA256");

    r->write.count = 1;
    assert_int_equal(record_seal(r, &io, plain, 50), TLS_OK);
    assert_int_equal(io.out_len, unhex(SERVER_RECORD, wire));
    assert_memory_equal(out, wire, io.out_len);

    assert_true(record_direction_next(pool, r->suite, &r->read, &next));
    unhex(CLIENT_UPDATED, updated);
    assert_memory_equal(next.secret, updated, 32);
    assert_int_equal(r->read.count, 1); /* that of the old key stays */
    record_free(r);
    record_pool_free(pool);
}

static void test_unknown_suites(void **state)
{
    struct record_pool *pool = record_pool_new();
    struct record_secrets s = {.suite = 0x1304};

    (void)state;
    assert_null(record_new(pool, &s));
    assert_int_equal(record_secret_size(0x1304), 0);
    assert_int_equal(record_secret_size(AES_256), 48);
    record_pool_free(pool);
    record_pool_free(NULL);
    record_free(NULL);
}

/* Every suite, records of all sizes, cut anywhere, into any room. */
static void test_round_trip(void **state)
{
    static const size_t sizes[] = {1, 2, 100, 1312, 4096, TLS_RECORD_MAX};
    static const size_t steps[] = {1, 4, 5, 6, 1000, 65536};
    static const size_t rooms[] = {1, 17, 1313, 1330, 16384, 16401, 65536};
    uint8_t data[TLS_RECORD_MAX + 1], sent[65536];

    (void)state;
    for (size_t i = 0; i < sizeof all_suites / sizeof *all_suites; i++) {
        struct pair *p = pair_new(all_suites[i]);

        for (size_t k = 0; k < sizeof steps / sizeof *steps * (sizeof rooms / sizeof *rooms); k++) {
            struct tls_io out = writer(p);
            size_t total = 0;

            for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
                for (size_t b = 0; b < sizes[j]; b++)
                    data[b] = (uint8_t)(b * 31 + j + k);
                memcpy(sent + total, data, sizes[j]);
                total += sizes[j];
                assert_int_equal(record_seal(p->client, &out, data, sizes[j]), TLS_OK);
            }
            assert_int_equal(out.out_len, total + 6 * 22);
            p->plain_len = 0;
            assert_int_equal(reads(p, p->server, out.out_len, steps[k % 6], rooms[k % 7]),
                             TLS_AGAIN);
            assert_int_equal(p->plain_len, total);
            assert_memory_equal(p->plain, sent, total);
            assert_null(p->server->partial.data);
            assert_int_equal(p->io.out_len, 0);
        }
        pair_free(p);
    }
}

/* What a hostile peer that has the keys may write, and the alert that it gets. */
struct hostile {
    const char *what;
    uint8_t type;
    const char *body; /* hexadecimal */
    int before;       /* so often it is taken */
    uint8_t alert;
    const char *reason; /* after "TLS read: " */
};
static const struct hostile hostiles[] = {
    {"another handshake message", 22, "0400000102", 0, ALERT_UNEXPECTED_MESSAGE, "not a KeyUpdate"},
    {"longer KeyUpdate", 22, "1800000201", 0, ALERT_UNEXPECTED_MESSAGE, "not a KeyUpdate"},
    {"two in a record", 22, "18000001001800000100", 0, ALERT_UNEXPECTED_MESSAGE,
     "not a KeyUpdate alone"},
    {"something after it", 22, "180000010000", 0, ALERT_UNEXPECTED_MESSAGE,
     "not a KeyUpdate alone"},
    {"KeyUpdate of 2", 22, "1800000102", 0, ALERT_ILLEGAL_PARAMETER, "a broken KeyUpdate"},
    {"empty handshake", 22, "", 0, ALERT_UNEXPECTED_MESSAGE, "not a KeyUpdate alone"},
    {"short alert", 21, "01", 0, ALERT_DECODE_ERROR, "a broken alert"},
    {"long alert", 21, "010000", 0, ALERT_DECODE_ERROR, "a broken alert"},
    {"change_cipher_spec inside", 20, "01", 0, ALERT_UNEXPECTED_MESSAGE,
     "an unknown kind of record"},
    {"heartbeat", 24, "01", 0, ALERT_UNEXPECTED_MESSAGE, "an unknown kind of record"},
    {"no kind", 0, "", 0, ALERT_UNEXPECTED_MESSAGE, "a record without a kind"},
    {"no data", 23, "", 16, ALERT_UNEXPECTED_MESSAGE, "too many records without data"},
    {"user_canceled", 21, "015a", 16, ALERT_UNEXPECTED_MESSAGE, "too many records without data"},
};

/* The server has failed with this alert; the client can read it. */
static void expect_alert(struct pair *p, const char *what, enum tls_result result, uint8_t alert)
{
    uint8_t plain[64], data[8];
    struct tls_io out = {.out = plain, .out_cap = sizeof plain};

    if (result != TLS_FAILED || record_reason(p->server)[0] == '\0')
        fail_msg("%s: result %d, \"%s\"", what, result, record_reason(p->server));
    assert_int_equal(p->io.out_len, RECORD_HEADER + 3 + RECORD_TAG);
    assert_true(record_unprotect(p->pool, p->client->suite, &p->client->read, p->answers,
                                 p->answers + RECORD_HEADER, 3 + RECORD_TAG, plain));
    if (plain[0] != ALERT_FATAL || plain[1] != alert || plain[2] != CONTENT_ALERT)
        fail_msg("%s: alert %d, level %d, type %d", what, plain[1], plain[0], plain[2]);
    /* The end: nothing is said after it. */
    assert_int_equal(record_seal(p->server, &out, data, 1), TLS_FAILED);
    record_close_notify(p->server, &out);
    assert_int_equal(out.out_len, 0);
    assert_string_not_equal(record_reason(p->server), "");
}

static void test_hostile_content(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostiles / sizeof *hostiles; i++) {
        const struct hostile *h = &hostiles[i];
        struct pair *p = pair_new(AES_128);
        struct tls_io out = writer(p);
        uint8_t body[64];
        size_t n = unhex(h->body, body);

        for (int k = 0; k < h->before; k++)
            assert_true(write_record(p->client, &out, h->type, body, n));
        if (h->before > 0)
            assert_int_equal(reads(p, p->server, out.out_len, 1 << 16, 1 << 16), TLS_AGAIN);
        out = writer(p);
        assert_true(write_record(p->client, &out, h->type, body, n));
        expect_alert(p, h->what, reads(p, p->server, out.out_len, 1 << 16, 1 << 16), h->alert);
        assert_string_equal(record_reason(p->server) + strlen("TLS read: "), h->reason);
        pair_free(p);
    }
}

/* Headers, and ciphertext that is not the peer's. */
static void test_hostile_records(void **state)
{
    static const struct {
        const char *hex;
        uint8_t alert;
    } rows[] = {
        {"1503030002 0100", ALERT_UNEXPECTED_MESSAGE},       /* plain alert */
        {"1403030001 01", ALERT_UNEXPECTED_MESSAGE},         /* change_cipher_spec after Finished */
        {"1603010005 0100000101", ALERT_UNEXPECTED_MESSAGE}, /* ClientHello: renegotiation */
        {"1703034101", ALERT_RECORD_OVERFLOW},
        {"170303ffff", ALERT_RECORD_OVERFLOW},
        {"1703030010", ALERT_UNEXPECTED_MESSAGE}, /* a tag around nothing */
        {"1703030000", ALERT_UNEXPECTED_MESSAGE},
        {"1703030012 000102030405060708090a0b0c0d0e0f1011", ALERT_BAD_RECORD_MAC},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t step = 1; step <= 64; step *= 8) {
            struct pair *p = pair_new(CHACHA20);
            size_t n = unhex(rows[i].hex, p->wire);

            expect_alert(p, rows[i].hex, reads(p, p->server, n, step, 1 << 16), rows[i].alert);
            pair_free(p);
        }
    }
}

/* One bit anywhere in a record makes it nobody's; so does a record that is missing, or comes twice.
 */
static void test_nothing_passes_changed(void **state)
{
    uint8_t data[] = "seven..";
    size_t len = RECORD_HEADER + 7 + 1 + RECORD_TAG;

    (void)state;
    for (size_t bit = 0; bit < 8 * len; bit++) {
        struct pair *p = pair_new(AES_128);
        struct tls_io out = writer(p);
        enum tls_result result;

        record_seal(p->client, &out, data, 7);
        p->wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
        result = reads(p, p->server, len, 1 << 16, 1 << 16);
        assert_int_equal(p->plain_len, 0);
        /* A longer length, and only that, waits for more. */
        assert_int_equal(result, ((size_t)p->wire[3] << 8 | p->wire[4]) > len - RECORD_HEADER &&
                                         bit / 8 != 0 && p->wire[3] <= 0x41
                                     ? TLS_AGAIN
                                     : TLS_FAILED);
        pair_free(p);
    }
    for (int twice = 0; twice <= 1; twice++) {
        struct pair *p = pair_new(AES_128);
        struct tls_io out = writer(p);

        record_seal(p->client, &out, data, 7);
        if (!twice)
            out.out_len = 0; /* the first is lost */
        else
            assert_int_equal(reads(p, p->server, len, 1 << 16, 1 << 16), TLS_AGAIN);
        if (!twice)
            record_seal(p->client, &out, data, 7);
        expect_alert(p, "replay", reads(p, p->server, len, 1 << 16, 1 << 16), ALERT_BAD_RECORD_MAC);
        pair_free(p);
    }
}

static void test_padding(void **state)
{
    struct pair *p = pair_new(AES_128);
    struct tls_io out = writer(p);
    uint8_t padded[TLS_RECORD_MAX + 64] = {'h', 'i', CONTENT_DATA};
    uint8_t most[TLS_RECORD_MAX + 2] = {0};

    (void)state;
    assert_true(write_record(p->client, &out, 0, padded, 200)); /* the kind stands before zeros */
    assert_int_equal(reads(p, p->server, out.out_len, 1 << 16, 10), TLS_AGAIN);
    assert_int_equal(p->plain_len, 2);
    assert_memory_equal(p->plain, "hi", 2);

    out = writer(p);
    assert_true(write_record(p->client, &out, CONTENT_DATA, most, TLS_RECORD_MAX + 1));
    expect_alert(p, "content of 2^14 + 1", reads(p, p->server, out.out_len, 1 << 16, 1 << 16),
                 ALERT_RECORD_OVERFLOW);
    pair_free(p);
}

static void say(struct pair *p, struct record *from, struct record *to, const char *words)
{
    struct tls_io out = writer(p);
    uint8_t data[64];

    memcpy(data, words, strlen(words));
    p->plain_len = 0;
    assert_int_equal(record_seal(from, &out, data, strlen(words)), TLS_OK);
    assert_int_equal(reads(p, to, out.out_len, 1 << 16, 1 << 16), TLS_AGAIN);
    assert_int_equal(p->plain_len, strlen(words));
    assert_memory_equal(p->plain, words, p->plain_len);
}

static void test_key_updates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof all_suites / sizeof *all_suites; i++) {
        struct pair *p = pair_new(all_suites[i]);
        struct record_direction next;
        struct tls_io out;
        uint8_t asks[KEY_UPDATE_LEN + 1] = {KEY_UPDATE, 0, 0, 1, 1};

        say(p, p->client, p->server, "before");
        out = writer(p);
        assert_true(write_key_update(p->client, &out));
        assert_int_equal(reads(p, p->server, out.out_len, 1 << 16, 1 << 16), TLS_AGAIN);
        assert_int_equal(p->io.out_len, 0);
        say(p, p->client, p->server, "new key");
        say(p, p->server, p->client, "old key");

        /* One that asks for ours, in pieces. */
        out = writer(p);
        for (size_t b = 0; b < KEY_UPDATE_LEN; b++) {
            uint8_t piece[2] = {asks[b]};
            assert_true(write_record(p->client, &out, CONTENT_HANDSHAKE, piece, 1));
        }
        assert_true(record_direction_next(p->pool, p->client->suite, &p->client->write, &next));
        record_direction_replace(p->pool, &p->client->write, &next);
        assert_int_equal(reads(p, p->server, out.out_len, 3, 1 << 16), TLS_AGAIN);
        assert_int_equal(p->io.out_len, RECORD_HEADER + KEY_UPDATE_LEN + 1 + RECORD_TAG);
        memcpy(p->wire, p->answers, p->io.out_len);
        assert_int_equal(reads(p, p->client, p->io.out_len, 1 << 16, 1 << 16), TLS_AGAIN);
        say(p, p->server, p->client, "both new");
        say(p, p->client, p->server, "both new");
        pair_free(p);
    }
}

static void test_a_record_inside_a_message(void **state)
{
    static const struct {
        enum content_type type;
        const char *body;
    } inside[] = {{CONTENT_DATA, "41"}, {CONTENT_DATA, ""}, {CONTENT_ALERT, "0100"}};

    (void)state;
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        struct pair *p = pair_new(AES_128);
        struct tls_io out = writer(p);
        uint8_t piece[3] = {KEY_UPDATE, 0}, body[8];
        size_t n = unhex(inside[i].body, body);

        assert_true(write_record(p->client, &out, CONTENT_HANDSHAKE, piece, 2));
        assert_true(write_record(p->client, &out, inside[i].type, body, n));
        expect_alert(p, "inside", reads(p, p->server, out.out_len, 1 << 16, 1 << 16),
                     ALERT_UNEXPECTED_MESSAGE);
        assert_int_equal(p->plain_len, 0);
        pair_free(p);
    }
}

static void send_update(struct pair *p, struct tls_io *out)
{
    assert_true(write_key_update(p->client, out));
}

/* One byte of data between them is no excuse; 16 KiB are. */
static void test_key_updates_are_rationed(void **state)
{
    struct pair *p = pair_new(AES_128);
    uint8_t data[TLS_RECORD_MAX + 1] = {0};
    struct tls_io out = writer(p);

    (void)state;
    for (int i = 0; i < UPDATES_MAX; i++) {
        send_update(p, &out);
        record_seal(p->client, &out, data, 1);
    }
    assert_int_equal(reads(p, p->server, out.out_len, 1 << 16, 1 << 16), TLS_AGAIN);
    for (int i = 0; i < 10; i++) {
        out = writer(p);
        record_seal(p->client, &out, data, TLS_RECORD_MAX);
        send_update(p, &out);
        p->plain_len = 0;
        assert_int_equal(reads(p, p->server, out.out_len, 1 << 16, 1 << 16), TLS_AGAIN);
    }
    out = writer(p);
    send_update(p, &out);
    expect_alert(p, "one too many", reads(p, p->server, out.out_len, 1 << 16, 1 << 16),
                 ALERT_UNEXPECTED_MESSAGE);
    assert_string_equal(record_reason(p->server), "TLS read: too many KeyUpdates");
    pair_free(p);
}

/* Before AES-GCM's limit (RFC 8446 5.5) we change our key by ourselves. */
static void test_old_keys_are_changed(void **state)
{
    struct pair *p = pair_new(AES_128);
    struct tls_io out = writer(p);
    uint8_t data[8] = "x";

    (void)state;
    p->server->write.count = p->client->read.count = RECORD_KEY_LIFETIME - 1;
    say(p, p->server, p->client, "last of its key");
    assert_int_equal(p->server->write.count, RECORD_KEY_LIFETIME);
    assert_int_equal(record_seal(p->server, &out, data, 1), TLS_OK);
    assert_int_equal(p->server->write.count, 1);
    assert_int_equal(reads(p, p->client, out.out_len, 1 << 16, 1 << 16), TLS_AGAIN);
    assert_int_equal(p->io.out_len, 0); /* and do not ask for the peer's */
    say(p, p->client, p->server, "unchanged");
    pair_free(p);
}

static void test_useless_records_are_counted_in_a_row(void **state)
{
    struct pair *p = pair_new(AES_128);

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct tls_io out = writer(p);
        uint8_t empty[1];

        for (int k = 0; k < USELESS_MAX; k++)
            assert_true(write_record(p->client, &out, CONTENT_DATA, empty, 0));
        assert_int_equal(reads(p, p->server, out.out_len, 1 << 16, 1 << 16), TLS_AGAIN);
        say(p, p->client, p->server, "data");
    }
    pair_free(p);
}

/* The alert that the client has sent is the last record; what it says, and at which level. */
static void test_ends(void **state)
{
    uint8_t last[16];
    struct pair *p = pair_new(AES_128);
    struct tls_io out = writer(p);

    (void)state;
    record_close_notify(p->client, &out);
    assert_true(record_unprotect(p->pool, p->server->suite, &p->server->read, p->wire,
                                 p->wire + RECORD_HEADER, out.out_len - RECORD_HEADER, last));
    assert_memory_equal(last, "\1\0\x15", 3);
    pair_free(p);

    /* Even after as many records without data as may be. */
    p = pair_new(AES_128);
    out = writer(p);
    for (int k = 0; k < USELESS_MAX; k++)
        write_record(p->client, &out, CONTENT_DATA, last, 0);
    record_close_notify(p->client, &out);
    assert_int_equal(reads(p, p->server, out.out_len, 1 << 16, 1 << 16), TLS_CLOSED);
    assert_int_equal(p->io.out_len, 0);
    pair_free(p);

    p = pair_new(AES_128);
    out = writer(p);
    write_alert(p->client, &out, ALERT_FATAL, ALERT_INTERNAL_ERROR);
    assert_int_equal(reads(p, p->server, out.out_len, 1 << 16, 1 << 16), TLS_FAILED);
    assert_int_equal(p->io.out_len, 0);
    assert_string_equal(record_reason(p->server), "TLS read: the peer sent a fatal alert");
    pair_free(p);
}

/* More busy connections than ready ciphers, of all suites: each keeps its own key and number. */
static void test_many_share_the_pool(void **state)
{
    enum { MANY = 300 };
    static struct record *servers[MANY], *clients[MANY];
    struct pair *p = pair_new(AES_128);

    (void)state;
    for (int i = 0; i < MANY; i++) {
        struct record_secrets s = {.suite = all_suites[i % 3]}, mirrored = s;

        memset(s.read, i, sizeof s.read);
        memset(s.write, i + 1, sizeof s.write);
        s.read[0] = (uint8_t)(i >> 8);
        memcpy(mirrored.write, s.read, sizeof s.read);
        memcpy(mirrored.read, s.write, sizeof s.write);
        servers[i] = record_new(p->pool, &s);
        clients[i] = record_new(p->pool, &mirrored);
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            say(p, servers[i], clients[i], "to the client");
            say(p, clients[i], servers[i], "to the server");
        }
        for (int i = round; i < MANY; i += 7) { /* some end, and begin anew */
            struct record_secrets s = {.suite = AES_128}, mirrored = s;

            mirrored.read[1] = s.write[1] = (uint8_t)i;
            mirrored.write[2] = s.read[2] = (uint8_t)(i >> 8 | 2);
            record_free(servers[i]);
            record_free(clients[i]);
            servers[i] = record_new(p->pool, &s);
            clients[i] = record_new(p->pool, &mirrored);
        }
    }
    for (int i = 0; i < MANY; i++) {
        record_free(servers[i]);
        record_free(clients[i]);
    }
    pair_free(p);
}

static void test_no_room_to_write(void **state)
{
    struct pair *p = pair_new(AES_128);
    struct tls_io out = {.out = p->wire, .out_cap = 30};
    uint8_t data[100] = {0};

    (void)state;
    assert_int_equal(record_seal(p->server, &out, data, 9), TLS_FAILED);
    assert_int_equal(out.out_len, 0);
    assert_int_equal(p->server->write.count, 0);
    assert_string_equal(record_reason(p->server), "TLS write: encryption failed");
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_rfcs_example),
        cmocka_unit_test(test_unknown_suites),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_hostile_content),
        cmocka_unit_test(test_hostile_records),
        cmocka_unit_test(test_nothing_passes_changed),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_key_updates),
        cmocka_unit_test(test_a_record_inside_a_message),
        cmocka_unit_test(test_key_updates_are_rationed),
        cmocka_unit_test(test_old_keys_are_changed),
        cmocka_unit_test(test_useless_records_are_counted_in_a_row),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_many_share_the_pool),
        cmocka_unit_test(test_no_room_to_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
