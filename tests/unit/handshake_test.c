/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include "derp/client/events.c"
#include "derp/client/handshake.c"
/* clang-format on */

#include <sodium.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

#define ROOM 65536

static struct keypair client;
static struct keypair server;
static const uint8_t nonce[24] = {1, 2, 3};
static const struct client_info plain = {.version = 2, .can_ack_pings = true};

static int make_keys(void **state)
{
    (void)state;
    uint8_t seed[KEY_LEN];

    memset(seed, 0x11, sizeof(seed));
    keypair_from_seed(seed, &client);
    memset(seed, 0x22, sizeof(seed));
    keypair_from_seed(seed, &server);
    return 0;
}

/* What a server sends, and when: a script of bytes after the client's ClientInfo is known. */
static void say_upgraded(struct buf *b, const struct node_key *header_key)
{
    char hex[2 * KEY_LEN + 1];

    buf_puts(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n");
    if (header_key) {
        text_hex(header_key->bytes, KEY_LEN, hex);
        buf_printf(b, "Derp-Version: 2\r\nDerp-Public-Key: %s\r\n", hex);
    }
    buf_puts(b, "\r\n");
}

static void say_key(struct buf *b, const struct node_key *key)
{
    uint8_t frame[HELLO_SERVER_KEY_LEN];

    hello_write_server_key(frame, key);
    buf_append(b, frame, sizeof(frame));
}

static void say_info(struct buf *b)
{
    uint8_t secret[HELLO_SECRET_LEN];

    assert_true(hello_secret(&server, &client.public_key, secret));
    hello_write_server_info(b, secret, nonce);
}

/* The client's ClientInfo is at this place of what it sent, and it is whole. */
static void assert_client_info(const struct buf *sent, size_t at)
{
    struct client_info info;
    struct frame frame;
    struct fault f;
    size_t used;

    assert_int_equal(frame_decode(sent->data + at, sent->len - at, &frame, &used, NULL), FRAME_OK);
    assert_int_equal(frame.type, FRAME_CLIENT_INFO);
    assert_int_equal(at + used, sent->len);
    assert_true(hello_read_client_info(frame.payload, frame.len, &server, &info, &f));
    assert_true(node_key_equal(&info.key, &client.public_key));
    assert_int_equal(info.version, 2);
    assert_true(info.can_ack_pings);
}

/* Feeds said in pieces of so many bytes, as a connection would; returns the last result. */
static enum handshake_result feed(struct handshake *h, const struct buf *said, size_t piece,
                                  size_t *total, struct buf *out, struct fault *f)
{
    enum handshake_result result = HANDSHAKE_MORE;
    size_t there = 0;

    *total = 0;
    while (result == HANDSHAKE_MORE && there < said->len) {
        size_t used, want, n;

        there = there + piece < said->len ? there + piece : said->len;
        n = there - *total;
        uint8_t *exact = mem_copy(said->data + *total, n);
        result = handshake_feed(h, exact, n, &used, &want, out, f);
        assert_true(used <= n);
        free(exact);
        *total += used;
    }
    return result;
}

static void test_request(void **state)
{
    (void)state;
    struct handshake h;
    struct buf out;

    buf_init(&out, ROOM);
    assert_true(handshake_start(&h, "derp.demo.com", &client, &plain, NULL, nonce, &out));
    assert_true(text_starts(buf_text(&out), "GET /derp HTTP/1.1\r\nHost: derp.demo.com\r\n"));
    assert_non_null(strstr(buf_text(&out), "\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n"));
    assert_true(text_ends(buf_text(&out), "\r\n\r\n"));
    assert_null(strstr(buf_text(&out), "Fast-Start"));
    assert_int_equal(h.step, HANDSHAKE_UPGRADE);
    buf_free(&out);

    assert_true(handshake_start(&h, "h", &client, &plain, &server.public_key, nonce, &out));
    assert_non_null(strstr(buf_text(&out), "\r\nDerp-Fast-Start: 1\r\n\r\n"));
    assert_client_info(&out, (size_t)(strstr(buf_text(&out), "\r\n\r\n") + 4 - buf_text(&out)));
    assert_int_equal(h.step, HANDSHAKE_SERVER_KEY);
    buf_free(&out);
}

static void test_start_without_room(void **state)
{
    (void)state;
    struct node_key no_point = {{0}};
    struct handshake h;
    struct buf out;

    buf_init(&out, 60);
    assert_false(handshake_start(&h, "h", &client, &plain, NULL, nonce, &out));
    buf_free(&out);
    buf_init(&out, 200);
    assert_false(handshake_start(&h, "h", &client, &plain, &server.public_key, nonce, &out));
    buf_free(&out);
    buf_init(&out, ROOM);
    assert_false(handshake_start(&h, "h", &client, &plain, &no_point, nonce, &out));
    buf_free(&out);
}

/* The whole login in pieces of every size, with and without fast start and the key in HTTP. What
 * follows the login is not touched. */
static void test_login_in_every_chunking(void **state)
{
    (void)state;

    for (int kind = 0; kind < 3; kind++) {
        struct buf said;

        buf_init(&said, ROOM);
        if (kind < 2)
            say_upgraded(&said, kind == 0 ? NULL : &server.public_key);
        say_key(&said, &server.public_key);
        buf_append(&said, "\x14\x00\x00\x00\x02hi", 7); /* read over */
        say_info(&said);
        size_t login = said.len;
        buf_append(&said, "\x06\x00\x00\x00\x00", 5);
        for (size_t piece = 1; piece <= said.len; piece++) {
            struct handshake h;
            struct fault f;
            struct buf out;
            size_t total;

            buf_init(&out, ROOM);
            handshake_start(&h, "h", &client, &plain, kind == 2 ? &server.public_key : NULL, nonce,
                            &out);
            size_t request = (size_t)(strstr(buf_text(&out), "\r\n\r\n") + 4 - buf_text(&out));
            assert_int_equal(feed(&h, &said, piece, &total, &out, &f), HANDSHAKE_DONE);
            assert_int_equal(total, login);
            assert_int_equal(h.step, HANDSHAKE_OVER);
            assert_int_equal(h.server_version, 2);
            assert_true(node_key_equal(&h.server_key, &server.public_key));
            assert_client_info(&out, request);
            buf_free(&out);
        }
        buf_free(&said);
    }
}

/* Runs a login that must fail, byte by byte and at once; both give the reason. */
static void assert_fails(const struct buf *said, bool fast, const char *reason)
{
    for (int at_once = 0; at_once < 2; at_once++) {
        struct handshake h;
        struct fault f = {.text = ""};
        struct buf out;
        size_t total;

        buf_init(&out, ROOM);
        handshake_start(&h, "h", &client, &plain, fast ? &server.public_key : NULL, nonce, &out);
        assert_int_equal(feed(&h, said, at_once ? said->len : 1, &total, &out, &f),
                         HANDSHAKE_FAILED);
        if (!strstr(f.text, reason))
            fail_msg("\"%s\" is not in \"%s\"", reason, f.text);
        buf_free(&out);
    }
}

static void test_http_failures(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        const char *reason;
    } rows[] = {
        {"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP status 404"},
        {"HTTP/1.1 200 OK\r\nUpgrade: DERP\r\n\r\n", "HTTP status 200"},
        {"SSH-2.0-OpenSSH_9.2p1\r\n", "not HTTP/1"},
        {"HTTP/2.0 101 x\r\n\r\n", "not HTTP/1"},
        {"\x15\x03\x03\x00\x02", "not HTTP/1"},
        {"HTTP/1.1 101 x\r\nDerp-Public-Key: 0011\r\n\r\n", "malformed Derp-Public-Key"},
        {"HTTP/1.1 101 x\r\nDerp-Public-Key: "
         "zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\r\n\r\n",
         "malformed Derp-Public-Key"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf said;

        buf_init(&said, ROOM);
        buf_puts(&said, rows[i].said);
        assert_fails(&said, false, rows[i].reason);
        buf_free(&said);
    }
}

static void test_server_key_failures(void **state)
{
    (void)state;
    struct buf said;

    buf_init(&said, ROOM);
    say_upgraded(&said, &client.public_key); /* another key than the frame's */
    say_key(&said, &server.public_key);
    assert_fails(&said, false, "HTTP answer");
    buf_free(&said);

    say_key(&said, &client.public_key);
    assert_fails(&said, true, "TLS certificate");
    buf_free(&said);

    buf_append(&said, "\x06\x00\x00\x00\x00", 5); /* KeepAlive */
    assert_fails(&said, true, "no ServerKey (type 0x06");
    buf_free(&said);

    buf_append(&said, "\x01\x00\x00\x04\x01", 5); /* 1025 bytes */
    assert_fails(&said, true, "1025 bytes");
    buf_free(&said);

    say_key(&said, &server.public_key);
    said.data[5] ^= 1;
    assert_fails(&said, true, "no ServerKey");
    buf_free(&said);

    uint8_t low_order[KEY_LEN] = {1};
    say_upgraded(&said, NULL);
    say_key(&said, (const struct node_key *)low_order);
    assert_fails(&said, false, "ClientInfo cannot be made");
    buf_free(&said);
}

static void test_server_info_failures(void **state)
{
    (void)state;
    struct buf said;

    buf_init(&said, ROOM);
    say_key(&said, &server.public_key);
    say_info(&said);
    said.data[said.len - 1] ^= 1;
    assert_fails(&said, true, "does not open");
    buf_free(&said);

    say_key(&said, &server.public_key);
    buf_append(&said, "\x03\xff\xff\xff\xff", 5);
    assert_fails(&said, true, "longer than DERP allows");
    buf_free(&said);
}

static void test_step_names(void **state)
{
    (void)state;
    for (int step = HANDSHAKE_UPGRADE; step <= HANDSHAKE_OVER; step++)
        assert_int_not_equal(handshake_step_name((enum handshake_step)step)[0], '\0');
}

/* --- Events ---------------------------------------------------------------------------------- */

struct told {
    int calls;
    char what[128];
};

static void on_packet(void *owner, const struct node_key *src, const uint8_t *data, size_t len)
{
    struct told *t = owner;

    t->calls++;
    snprintf(t->what, sizeof(t->what), "packet %02x %zu %.*s", src->bytes[0], len, (int)len, data);
}

static void on_peer_gone(void *owner, const struct node_key *peer, uint8_t reason)
{
    struct told *t = owner;

    t->calls++;
    snprintf(t->what, sizeof(t->what), "gone %02x %d", peer->bytes[31], reason);
}

static void on_pong(void *owner, const uint8_t data[static 8])
{
    struct told *t = owner;

    t->calls++;
    snprintf(t->what, sizeof(t->what), "pong %.8s", data);
}

static void on_health(void *owner, const char *problem)
{
    struct told *t = owner;

    t->calls++;
    snprintf(t->what, sizeof(t->what), "health %s", problem);
}

static void on_restarting(void *owner, uint32_t reconnect_in_ms, uint32_t try_for_ms)
{
    struct told *t = owner;

    t->calls++;
    snprintf(t->what, sizeof(t->what), "restarting %u %u", reconnect_in_ms, try_for_ms);
}

static const struct derp_client_events all_events = {
    .on_packet = on_packet,
    .on_peer_gone = on_peer_gone,
    .on_pong = on_pong,
    .on_health = on_health,
    .on_restarting = on_restarting,
};

static void test_dispatch(void **state)
{
    (void)state;
    static const struct {
        uint8_t type;
        const char *payload;
        size_t len;
        const char *told; /* NULL: nothing */
    } rows[] = {
        {FRAME_RECV_PACKET, "K1234567890123456789012345678901hello", 37, "packet 4b 5 hello"},
        {FRAME_RECV_PACKET, "K1234567890123456789012345678901", 32, "packet 4b 0 "},
        {FRAME_RECV_PACKET, "K123456789012345678901234567890", 31, NULL},
        {FRAME_PEER_GONE, "K123456789012345678901234567890Z\x01", 33, "gone 5a 1"},
        {FRAME_PEER_GONE, "K123456789012345678901234567890Z", 32, "gone 5a 0"},
        {FRAME_PEER_GONE, "K", 1, NULL},
        {FRAME_PONG, "12345678", 8, "pong 12345678"},
        {FRAME_PONG, "1234567", 7, NULL},
        {FRAME_HEALTH, "sick\n\xff", 6, "health sick\\x0a\\xff"},
        {FRAME_HEALTH, "", 0, "health "},
        {FRAME_RESTARTING, "\0\0\0\1\0\0\1\0", 8, "restarting 1 256"},
        {FRAME_RESTARTING, "\0\0\0\1\0\0\1", 7, NULL},
        {FRAME_KEEP_ALIVE, "", 0, NULL},
        {FRAME_SERVER_INFO, "x", 1, NULL},
        {0x77, "later", 5, NULL},
    };
    const struct derp_client_events none = {.on_ready = NULL};
    struct buf out;

    buf_init(&out, ROOM);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct frame f = {rows[i].type, rows[i].len, (const uint8_t *)rows[i].payload};
        struct told t = {.calls = 0};

        assert_false(derp_client_dispatch(&f, &all_events, &t, &out));
        assert_int_equal(t.calls, rows[i].told ? 1 : 0);
        if (rows[i].told)
            assert_string_equal(t.what, rows[i].told);
        assert_false(derp_client_dispatch(&f, &none, &t, &out));
        assert_int_equal(out.len, 0);
    }
    buf_free(&out);
}

static void test_ping_is_answered(void **state)
{
    (void)state;
    const struct frame ping = {FRAME_PING, 8, (const uint8_t *)"abcdefgh"};
    const struct frame bad = {FRAME_PING, 7, (const uint8_t *)"abcdefg"};
    struct told t = {.calls = 0};
    struct buf out;

    buf_init(&out, 20);
    assert_true(derp_client_dispatch(&ping, &all_events, &t, &out));
    assert_memory_equal(out.data,
                        "\x13\0\0\0\x08"
                        "abcdefgh",
                        13);
    assert_false(derp_client_dispatch(&ping, &all_events, &t, &out)); /* full */
    assert_int_equal(out.len, 13);
    assert_false(derp_client_dispatch(&bad, &all_events, &t, &out));
    assert_int_equal(t.calls, 0);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_start_without_room),
        cmocka_unit_test(test_login_in_every_chunking),
        cmocka_unit_test(test_http_failures),
        cmocka_unit_test(test_server_key_failures),
        cmocka_unit_test(test_server_info_failures),
        cmocka_unit_test(test_step_names),
        cmocka_unit_test(test_dispatch),
        cmocka_unit_test(test_ping_is_answered),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, make_keys, NULL);
}
