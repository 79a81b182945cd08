/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/websocket.c"

#include "tests/unit/unit.h"

/* A client's frame, masked. */
static size_t frame(uint8_t *out, uint8_t first, const void *payload, size_t n, bool masked)
{
    const uint8_t mask[4] = {1, 2, 3, 4};
    size_t head = 2;

    out[0] = first;
    if (n <= 125) {
        out[1] = (uint8_t)n;
    } else if (n <= 65535) {
        out[1] = 126;
        out[2] = (uint8_t)(n >> 8);
        out[3] = (uint8_t)n;
        head = 4;
    } else {
        out[1] = 127;
        for (int i = 0; i < 8; i++)
            out[2 + i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
        head = 10;
    }
    if (masked) {
        out[1] |= 0x80;
        memcpy(out + head, mask, 4);
        head += 4;
    }
    for (size_t i = 0; i < n; i++)
        out[head + i] = ((const uint8_t *)payload)[i] ^ (masked ? mask[i % 4] : 0);
    return head + n;
}

struct fixture {
    struct websocket *w;
    struct buf stream;
    struct buf control;
    uint8_t out[WEBSOCKET_MESSAGE_MAX + 100];
};

static int set_up(void **state)
{
    struct fixture *x = calloc(1, sizeof *x);

    x->w = websocket_new();
    buf_init(&x->stream, 2 * WEBSOCKET_MESSAGE_MAX);
    buf_init(&x->control, 4096);
    *state = x;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;

    websocket_free(x->w);
    buf_free(&x->stream);
    buf_free(&x->control);
    free(x);
    return 0;
}

static enum websocket_status take(struct fixture *x, uint8_t first, const void *payload, size_t n)
{
    size_t len = frame(x->out, first, payload, n, true);

    return websocket_take(x->w, x->out, len, &x->stream, &x->control);
}

static void closes_with(struct fixture *x, enum websocket_status got, uint16_t code)
{
    assert_int_equal(got, code);
    assert_true(x->control.len >= 4);
    assert_int_equal(x->control.data[x->control.len - 4], 0x88);
    assert_int_equal(x->control.data[x->control.len - 2] << 8 | x->control.data[x->control.len - 1],
                     code);
}

/* The example of RFC 6455 1.3. */
static void test_accept(void **state)
{
    (void)state;
    const char head[] = "GET /derp HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                        "Sec-WebSocket-Protocol: chat, derp\r\nSec-WebSocket-Version: 13\r\n\r\n";
    struct http_request r;
    const char *why;
    size_t used;
    char text[WEBSOCKET_ACCEPT_LEN];

    assert_int_equal(http_read_request(head, sizeof head - 1, &r, &used), HTTP_OK);
    assert_int_equal(websocket_request(&r, &why), 101);
    websocket_accept(&r, text);
    assert_string_equal(text, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"
#define DERP    "Sec-WebSocket-Protocol: derp\n"
#define V13     "Sec-WebSocket-Version: 13\n"
#define UPGRADE "Upgrade: WebSocket\nConnection: keep-alive, Upgrade\n"

static void test_requests(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        int status;
    } rows[] = {
        {"GET / HTTP/1.1\n" UPGRADE KEY V13 DERP, 101},
        {"GET / HTTP/1.1\n" UPGRADE KEY V13 "Sec-WebSocket-Protocol: a,derp ,b\n", 101},
        {"GET / HTTP/1.1\n" UPGRADE KEY V13, 0},
        {"GET / HTTP/1.1\n" UPGRADE KEY V13 "Sec-WebSocket-Protocol:\n", 0},
        {"GET / HTTP/1.1\n" UPGRADE KEY V13 "Sec-WebSocket-Protocol: DERP\n", 0},
        {"GET / HTTP/1.1\n" UPGRADE KEY V13 "Sec-WebSocket-Protocol: derp2\n", 400},
        {"GET / HTTP/1.1\n" UPGRADE KEY V13 "Sec-WebSocket-Protocol: xderp, derp/1\n", 400},
        {"GET / HTTP/1.1\nUpgrade: DERP\nConnection: Upgrade\n" KEY V13 DERP, 0},
        {"GET / HTTP/1.1\nUpgrade: websocket\n" KEY V13 DERP, 426},
        {"GET / HTTP/1.1\nUpgrade: websocket\nConnection: close\n" KEY V13 DERP, 426},
        {"GET / HTTP/1.0\n" UPGRADE KEY V13 DERP, 426},
        {"POST / HTTP/1.1\n" UPGRADE KEY V13 DERP, 405},
        {"get / HTTP/1.1\n" UPGRADE KEY V13 DERP, 405},
        {"GET / HTTP/1.1\n" UPGRADE KEY "Sec-WebSocket-Version: 8\n" DERP, 400},
        {"GET / HTTP/1.1\n" UPGRADE V13 DERP, 400},
        {"GET / HTTP/1.1\n" UPGRADE "Sec-WebSocket-Key: short==\n" V13 DERP, 400},
        /* 17 bytes in base64 of the same length */
        {"GET / HTTP/1.1\n" UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTE=\n" V13 DERP, 400},
        {"GET / HTTP/1.1\n" UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub2!jZQ==\n" V13 DERP, 400},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_request r;
        const char *why = NULL;
        char head[512];
        size_t used;

        snprintf(head, sizeof head, "%s\n", rows[i].head);
        assert_int_equal(http_read_request(head, strlen(head), &r, &used), HTTP_OK);
        if (websocket_request(&r, &why) != rows[i].status)
            fail_msg("%s: %d instead of %d", head, websocket_request(&r, &why), rows[i].status);
        assert_true(rows[i].status == 0 || why != NULL);
    }
}

static void test_messages_become_a_stream(void **state)
{
    struct fixture *x = *state;
    static uint8_t big[WEBSOCKET_MESSAGE_MAX];

    memset(big, 7, sizeof big);
    assert_int_equal(take(x, 0x82, "abc", 3), WEBSOCKET_OPEN);
    assert_int_equal(take(x, 0x82, "", 0), WEBSOCKET_OPEN);
    assert_int_equal(take(x, 0x02, "de", 2), WEBSOCKET_OPEN);
    assert_int_equal(take(x, 0x89, "ping", 4), WEBSOCKET_OPEN); /* between fragments */
    assert_int_equal(take(x, 0x00, "f", 1), WEBSOCKET_OPEN);
    assert_int_equal(take(x, 0x80, "g", 1), WEBSOCKET_OPEN);
    assert_memory_equal(x->stream.data, "abcdefg", 7);
    assert_int_equal(x->control.len, 6);
    assert_memory_equal(x->control.data, "\x8a\x04ping", 6);
    assert_int_equal(take(x, 0x8a, "", 0), WEBSOCKET_OPEN); /* a pong nobody asked for */
    assert_int_equal(take(x, 0x82, big, sizeof big), WEBSOCKET_OPEN);
    assert_int_equal(x->stream.len, 7 + sizeof big);
}

static void test_one_byte_at_a_time(void **state)
{
    struct fixture *x = *state;
    uint8_t text[300];
    size_t n;

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)i;
    n = frame(x->out, 0x82, text, sizeof text, true);
    n += frame(x->out + n, 0x89, "xy", 2, true);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(websocket_take(x->w, x->out + i, 1, &x->stream, &x->control),
                         WEBSOCKET_OPEN);
    assert_int_equal(x->stream.len, sizeof text);
    assert_memory_equal(x->stream.data, text, sizeof text);
    assert_memory_equal(x->control.data, "\x8a\x02xy", 4);
}

static void test_close_is_answered(void **state)
{
    struct fixture *x = *state;

    closes_with(x, take(x, 0x88, "\x03\xe8", 2), 1000);
}

static void test_too_big(void **state)
{
    struct fixture *x = *state;
    static uint8_t big[WEBSOCKET_MESSAGE_MAX + 1];

    closes_with(x, take(x, 0x82, big, sizeof big), 1009);
}

static void test_too_big_in_fragments(void **state)
{
    struct fixture *x = *state;
    static uint8_t big[WEBSOCKET_MESSAGE_MAX];

    assert_int_equal(take(x, 0x02, big, sizeof big), WEBSOCKET_OPEN);
    closes_with(x, take(x, 0x80, big, 1), 1009);
}

static void test_text_is_refused(void **state)
{
    struct fixture *x = *state;

    closes_with(x, take(x, 0x81, "hi", 2), 1003);
}

static void test_violations(void **state)
{
    (void)state;
    static const uint8_t firsts[] = {0x80 /* continues nothing */, 0xc2 /* RSV1 */, 0x83, 0x8b,
                                     0x09 /* a fragmented ping */};

    for (size_t i = 0; i < sizeof firsts; i++) {
        struct fixture *x;
        assert_int_equal(set_up((void **)&x), 0);
        closes_with(x, take(x, firsts[i], "ab", 2), 1002);
        tear_down((void **)&x);
    }
}

static void test_unmasked_is_refused(void **state)
{
    struct fixture *x = *state;
    size_t n = frame(x->out, 0x82, "ab", 2, false);

    closes_with(x, websocket_take(x->w, x->out, n, &x->stream, &x->control), 1002);
}

static void test_new_message_within_one(void **state)
{
    struct fixture *x = *state;

    assert_int_equal(take(x, 0x02, "ab", 2), WEBSOCKET_OPEN);
    closes_with(x, take(x, 0x82, "ab", 2), 1002);
}

/* What the caller has no room for ends it; pongs without room are left out. */
static void test_no_room(void **state)
{
    struct fixture *x = *state;

    buf_free(&x->stream);
    buf_init(&x->stream, 10);
    for (int i = 0; i < 100; i++)
        assert_int_equal(take(x, 0x89, "a ping of some length, with a pong of the same", 46),
                         WEBSOCKET_OPEN);
    assert_true(x->control.len <= (ANSWERS_MAX + 1) * (CONTROL_MAX + 2));
    assert_int_equal(x->control.len % 48, 0);
    buf_free(&x->control);
    buf_init(&x->control, 40);
    assert_int_equal(take(x, 0x89, "a ping of some length, with a pong of the same", 46),
                     WEBSOCKET_OPEN);
    assert_int_equal(x->control.len, 0);
    assert_int_equal(take(x, 0x82, "0123456789", 10), WEBSOCKET_OPEN);
    closes_with(x, take(x, 0x82, "x", 1), 1009);
    websocket_free(NULL);
}

static void test_wrap(void **state)
{
    (void)state;
    uint8_t room[4 + 65535];

    assert_int_equal(websocket_wrap(room + 4, 125), 2);
    assert_memory_equal(room + 2, "\x82\x7d", 2);
    assert_int_equal(websocket_wrap(room + 4, 126), 4);
    assert_memory_equal(room, "\x82\x7e\x00\x7e", 4);
    assert_int_equal(websocket_wrap(room + 4, 65535), 4);
    assert_memory_equal(room, "\x82\x7e\xff\xff", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_requests),
        cmocka_unit_test_setup_teardown(test_messages_become_a_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_byte_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_close_is_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_big, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_big_in_fragments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_text_is_refused, set_up, tear_down),
        cmocka_unit_test(test_violations),
        cmocka_unit_test_setup_teardown(test_unmasked_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_new_message_within_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_room, set_up, tear_down),
        cmocka_unit_test(test_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
