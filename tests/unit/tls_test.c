/* SPDX-License-Identifier: Apache-2.0 */
/* A server of ours and OpenSSL as its client, over memory: what the record layer takes over. */
#include "derp/net/tls.c"

#include "tests/unit/unit.h"

#define MOST (1 << 17)

struct link {
    struct tls_context *context;
    struct tls *server;
    SSL_CTX *client_context;
    SSL *client;
    BIO *up, *down; /* what the client has written; what it may read */
    bool open;      /* the server's handshake is over */
    unsigned random;
    uint8_t wire[MOST], out[MOST], plain[MOST], spare[TLS_SPARE_ROOM];
    size_t wire_len;
    uint8_t said_up[1 << 20], heard_up[1 << 20], said_down[1 << 20], heard_down[1 << 20];
    size_t said_up_len, heard_up_len, said_down_len, heard_down_len;
    enum tls_result last; /* of tls_open */
};

static unsigned draw(struct link *l, unsigned n)
{
    l->random = l->random * 1103515245 + 12345;
    return (l->random >> 8) % n;
}

static void fill(struct link *l, uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)draw(l, 256);
}

static struct link *link_new(unsigned seed, const char *suites, int version)
{
    struct link *l = calloc(1, sizeof *l);
    struct tls_server_options opt = {.domain = "derp.test"};
    struct fault f;
    struct identity *id = identity_self_signed("derp.test", 10, &f);

    l->random = seed;
    l->context = tls_context_server(id, &opt, &f);
    identity_free(id);
    l->server = tls_accept(l->context);
    l->client_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(l->client_context, version);
    SSL_CTX_set_max_proto_version(l->client_context, version);
    assert_int_equal(SSL_CTX_set_ciphersuites(l->client_context, suites), 1);
    l->client = SSL_new(l->client_context);
    SSL_set_connect_state(l->client);
    l->up = BIO_new(BIO_s_mem());
    l->down = BIO_new(BIO_s_mem());
    SSL_set_bio(l->client, l->down, l->up);
    l->last = TLS_AGAIN;
    return l;
}

static void link_free(struct link *l)
{
    SSL_free(l->client);
    SSL_CTX_free(l->client_context);
    tls_free(l->server);
    tls_context_free(l->context);
    free(l);
}

/* The server gets n bytes at p, as one read. */
static void give(struct link *l, const uint8_t *p, size_t n)
{
    struct tls_io io = {
        .in = p, .in_len = n, .out = l->out, .out_cap = sizeof l->out, .spare = l->spare};
    size_t got, room = draw(l, 3) > 0 ? sizeof l->plain : 1 + draw(l, 20000);

    if (!l->open) {
        enum tls_result r = tls_handshake(l->server, &io);
        assert_true(r == TLS_OK || r == TLS_AGAIN);
        l->open = r == TLS_OK;
    }
    while (l->open && (l->last = tls_open(l->server, &io, l->plain, room, &got)) == TLS_OK) {
        memcpy(l->heard_up + l->heard_up_len, l->plain, got);
        l->heard_up_len += got;
    }
    memset(l->spare, 0xee, sizeof l->spare); /* other connections use it in between */
    BIO_write(l->down, l->out, (int)io.out_len);
}

/* All that the client has written goes up, in pieces of any size. */
static void carry_up(struct link *l)
{
    int n = BIO_read(l->up, l->wire, sizeof l->wire);
    unsigned most = draw(l, 3) == 0 ? 20 : draw(l, 2) == 0 ? 2000 : 65536;

    for (int at = 0; at < n;) {
        int piece = 1 + (int)draw(l, most);
        piece = piece < n - at ? piece : n - at;
        give(l, l->wire + at, (size_t)piece);
        at += piece;
    }
}

static void client_reads(struct link *l)
{
    size_t n;

    while (SSL_read_ex(l->client, l->heard_down + l->heard_down_len,
                       sizeof l->heard_down - l->heard_down_len, &n) == 1)
        l->heard_down_len += n;
    assert_int_equal(SSL_get_error(l->client, 0), SSL_ERROR_WANT_READ);
}

static void client_writes(struct link *l, size_t n)
{
    fill(l, l->said_up + l->said_up_len, n);
    assert_int_equal(SSL_write(l->client, l->said_up + l->said_up_len, (int)n), n);
    l->said_up_len += n;
}

static void server_writes(struct link *l, size_t n)
{
    static uint8_t data[TLS_RECORD_MAX + 1];
    struct tls_io io = {.out = l->out, .out_cap = sizeof l->out};

    fill(l, data, n);
    memcpy(l->said_down + l->said_down_len, data, n);
    l->said_down_len += n;
    assert_int_equal(tls_seal(l->server, &io, data, n), TLS_OK);
    BIO_write(l->down, l->out, (int)io.out_len);
}

static void shake_hands(struct link *l)
{
    while (!l->open || !SSL_is_init_finished(l->client)) {
        SSL_do_handshake(l->client);
        carry_up(l);
    }
}

static void both_heard_all(struct link *l)
{
    client_reads(l);
    assert_int_equal(l->heard_up_len, l->said_up_len);
    assert_memory_equal(l->heard_up, l->said_up, l->said_up_len);
    assert_int_equal(l->heard_down_len, l->said_down_len);
    assert_memory_equal(l->heard_down, l->said_down, l->said_down_len);
}

static void some_traffic(struct link *l)
{
    for (int turn = 0; turn < 12; turn++) {
        if (draw(l, 2) == 0) {
            assert_int_equal(SSL_key_update(l->client, draw(l, 2) ? SSL_KEY_UPDATE_REQUESTED
                                                                  : SSL_KEY_UPDATE_NOT_REQUESTED),
                             1);
            SSL_do_handshake(l->client);
        }
        client_writes(l, draw(l, 4) > 0 ? 1 + draw(l, 100) : 1 + draw(l, 30000));
        if (draw(l, 2) == 0)
            carry_up(l);
        server_writes(l, draw(l, 3) > 0 ? 1 + draw(l, 100) : 1 + draw(l, TLS_RECORD_MAX));
        if (draw(l, 2) == 0)
            client_reads(l);
    }
    carry_up(l);
    both_heard_all(l);
}

static void test_openssl_understands(void **state)
{
    static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                         "TLS_CHACHA20_POLY1305_SHA256"};

    (void)state;
    for (unsigned seed = 0; seed < 45; seed++) {
        struct link *l = link_new(seed, suites[seed % 3], TLS1_3_VERSION);
        char text[64];

        if (seed % 5 == 0) /* HelloRetryRequest */
            SSL_set1_groups_list(l->client, "X448:P-256");
        if (seed % 4 == 0)
            SSL_set_block_padding(l->client, 1 + draw(l, 4000));
        if (seed % 7 == 0)
            SSL_clear_options(l->client, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
        shake_hands(l);
        assert_non_null(l->server->record);
        assert_null(l->server->ssl);
        assert_null(l->server->secrets);
        tls_describe(l->server, text, sizeof text);
        assert_string_equal(text + strlen("TLSv1.3 "), suites[seed % 3]);
        some_traffic(l);
        SSL_shutdown(l->client);
        carry_up(l);
        assert_int_equal(l->last, TLS_CLOSED);
        link_free(l);
    }
}

/* Numbers beyond a byte, and beyond two. */
static void test_many_records(void **state)
{
    struct link *l = link_new(1, "TLS_CHACHA20_POLY1305_SHA256", TLS1_3_VERSION);

    (void)state;
    shake_hands(l);
    for (int i = 0; i < 66000; i++) {
        client_writes(l, 1);
        server_writes(l, 1);
        if (i % 500 == 0) {
            carry_up(l);
            client_reads(l);
        }
    }
    carry_up(l);
    both_heard_all(l);
    link_free(l);
}

static void test_close_notify(void **state)
{
    struct link *l = link_new(2, "TLS_AES_256_GCM_SHA384", TLS1_3_VERSION);
    struct tls_io io = {.out = l->out, .out_cap = sizeof l->out};
    size_t n;

    (void)state;
    shake_hands(l);
    tls_close_notify(l->server, &io);
    tls_close_notify(l->server, &io); /* once */
    BIO_write(l->down, l->out, (int)io.out_len);
    assert_int_equal(SSL_read_ex(l->client, l->plain, 1, &n), 0);
    assert_int_equal(SSL_get_error(l->client, 0), SSL_ERROR_ZERO_RETURN);
    assert_int_equal(io.out_len, 24);
    link_free(l);
}

/* TLS 1.2, and clients that want short records: OpenSSL stays, and both work. */
static void test_what_openssl_keeps(void **state)
{
    static const struct {
        int version;
        uint8_t fragment;
    } rows[] = {{TLS1_2_VERSION, TLSEXT_max_fragment_length_DISABLED},
                {TLS1_2_VERSION, TLSEXT_max_fragment_length_512},
                {TLS1_3_VERSION, TLSEXT_max_fragment_length_512},
                {TLS1_3_VERSION, TLSEXT_max_fragment_length_4096}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct link *l = link_new((unsigned)i, "TLS_AES_128_GCM_SHA256", rows[i].version);

        SSL_set_tlsext_max_fragment_length(l->client, rows[i].fragment);
        shake_hands(l);
        assert_null(l->server->record);
        assert_null(l->server->secrets);
        client_writes(l, 5000);
        carry_up(l);
        server_writes(l, TLS_RECORD_MAX);
        server_writes(l, 1);
        both_heard_all(l);
        link_free(l);
    }
}

/* How many changes of keys OpenSSL takes, with so much data after each; all in one read, or each in
 * one of its own. */
static unsigned updates_taken(size_t data, bool at_once)
{
    struct link *l = link_new(4, "TLS_AES_128_GCM_SHA256", TLS1_3_VERSION);
    unsigned n = 0;

    SSL_set_tlsext_max_fragment_length(l->client, TLSEXT_max_fragment_length_512);
    shake_hands(l);
    while (l->last != TLS_FAILED && n < 200) {
        SSL_key_update(l->client, SSL_KEY_UPDATE_NOT_REQUESTED);
        SSL_do_handshake(l->client);
        if (data > 0)
            client_writes(l, data);
        n++;
        l->said_up_len = l->heard_up_len = 0;
        if (!at_once || n == 200)
            give(l, l->wire, (size_t)BIO_read(l->up, l->wire, sizeof l->wire));
    }
    if (l->last == TLS_FAILED) {
        assert_string_equal(tls_reason(l->server), "TLS read: too many key updates");
        n = at_once ? UPDATES_MAX + 1u - l->server->updates_left : n;
    }
    link_free(l);
    return n;
}

static void test_key_updates_of_openssl_are_rationed(void **state)
{
    (void)state;
    assert_int_equal(updates_taken(0, false), KEY_UPDATES_MAX + 1);
    assert_int_equal(updates_taken(0, true), KEY_UPDATES_MAX + 1);
    assert_int_equal(updates_taken(1, false), UPDATES_MAX + 1);
    assert_int_equal(updates_taken(1, true), UPDATES_MAX + 1);
    assert_int_equal(updates_taken(UPDATE_EARNED, false), 200);
}

/* Nothing is reserved for what is only announced. */
static void test_a_long_hello_is_refused(void **state)
{
    static const uint8_t hello[] = {22, 3, 1, 0, 4, 1, 2, 0, 0};
    struct link *l = link_new(5, "TLS_AES_128_GCM_SHA256", TLS1_3_VERSION);

    (void)state;
    for (size_t i = 0; i < sizeof hello; i++) {
        struct tls_io io = {.in = hello + i, .in_len = 1, .out = l->out, .out_cap = sizeof l->out};

        assert_int_equal(tls_handshake(l->server, &io),
                         i + 1 < sizeof hello ? TLS_AGAIN : TLS_FAILED);
    }
    assert_string_equal(tls_reason(l->server), "TLS handshake: a message is too long");
    link_free(l);
}

/* A failure keeps its reason, whatever is asked afterwards. */
static void test_failures_stay(void **state)
{
    static const uint8_t junk[64] = {23, 3, 3, 0, 40};

    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct link *l = link_new(3, "TLS_AES_128_GCM_SHA256", version);
        struct tls_io io = {.out = l->out, .out_cap = sizeof l->out};
        uint8_t data[8] = "x";

        shake_hands(l);
        give(l, junk, sizeof junk);
        assert_int_equal(l->last, TLS_FAILED);
        assert_int_equal(tls_seal(l->server, &io, data, 1), TLS_FAILED);
        assert_int_equal(io.out_len, 0);
        assert_non_null(strstr(tls_reason(l->server), "TLS read: "));
        link_free(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openssl_understands),
        cmocka_unit_test(test_many_records),
        cmocka_unit_test(test_close_notify),
        cmocka_unit_test(test_what_openssl_keeps),
        cmocka_unit_test(test_failures_stay),
        cmocka_unit_test(test_key_updates_of_openssl_are_rationed),
        cmocka_unit_test(test_a_long_hello_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
