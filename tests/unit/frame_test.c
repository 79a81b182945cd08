/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/frame.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct frame frame_of(uint8_t type, const uint8_t *payload, size_t len)
{
    return (struct frame){.type = type, .len = len, .payload = payload};
}

static void test_decode_bytes(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x12, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0xff};
    struct frame f;
    size_t used = 0;
    size_t need = 0;

    assert_int_equal(frame_decode(bytes, sizeof(bytes), &f, &used, &need), FRAME_OK);
    assert_int_equal(f.type, FRAME_PING);
    assert_int_equal(f.len, 8);
    assert_ptr_equal(f.payload, bytes + 5);
    assert_int_equal(used, 13);
    assert_int_equal(need, 13);
}

static void test_decode_every_truncation(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x07, 0, 0, 0, 1, 1};
    struct frame f;
    size_t used = 77;

    for (size_t n = 0; n < sizeof(bytes); n++) {
        uint8_t *exact = malloc(n > 0 ? n : 1); /* a read past n is seen by ASan */
        size_t need = 0;

        memcpy(exact, bytes, n);
        assert_int_equal(frame_decode(exact, n, &f, &used, &need), FRAME_INCOMPLETE);
        assert_int_equal(need, n < 5 ? 5 : 6);
        free(exact);
    }
    assert_int_equal(used, 77);
    assert_int_equal(frame_decode(bytes, sizeof(bytes), &f, &used, NULL), FRAME_OK);
    assert_int_equal(frame_decode(bytes, 3, &f, &used, NULL), FRAME_INCOMPLETE);
}

static void test_limits_are_judged_by_the_header(void **state)
{
    (void)state;
    static const struct {
        uint8_t type;
        uint32_t limit;
    } rows[] = {
        {FRAME_CLIENT_INFO, 262144},
        {FRAME_SEND_PACKET, 65568},
        {FRAME_FORWARD_PACKET, 65600},
        {FRAME_NOTE_PREFERRED, 1},
        {FRAME_WATCH_CONNS, 0},
        {FRAME_CLOSE_PEER, 32},
        {FRAME_PING, 1000},
        {FRAME_PONG, 65568},
        {FRAME_SERVER_KEY, 65568},
        {0x00, 65568},
        {0x7f, 65568},
        {0xff, 65568},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t head[5];
        struct frame f;
        size_t used;
        size_t need;

        assert_int_equal(frame_limit(rows[i].type), rows[i].limit);
        frame_put_header(head, rows[i].type, rows[i].limit);
        assert_int_equal(frame_decode(head, 5, &f, &used, &need),
                         rows[i].limit == 0 ? FRAME_OK : FRAME_INCOMPLETE);
        assert_int_equal(need, 5 + rows[i].limit);
        frame_put_header(head, rows[i].type, rows[i].limit + 1);
        assert_int_equal(frame_decode(head, 5, &f, &used, &need), FRAME_TOO_LONG);
        memset(head + 1, 0xff, 4);
        assert_int_equal(frame_decode(head, 5, &f, &used, &need), FRAME_TOO_LONG);
    }
}

static void test_peek(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0xfe, 0x01, 0x02, 0x03, 0x04};
    uint8_t type;
    size_t len;

    assert_true(frame_peek(bytes, 5, &type, &len));
    assert_int_equal(type, 0xfe);
    assert_int_equal(len, 0x01020304);
    for (size_t n = 0; n < 5; n++)
        assert_false(frame_peek(bytes, n, &type, &len));
}

static void test_header_bytes(void **state)
{
    (void)state;
    const uint8_t expected[] = {0x05, 0x00, 0x01, 0x00, 0x20};
    uint8_t head[FRAME_HEADER_LEN];

    frame_put_header(head, FRAME_RECV_PACKET, 65568);
    assert_memory_equal(head, expected, sizeof(expected));
}

static void test_packets(void **state)
{
    (void)state;
    uint8_t *payload = calloc(1, 65569);
    struct node_key key;
    const uint8_t *packet;
    size_t len;

    for (size_t i = 0; i < 32; i++)
        payload[i] = (uint8_t)(0xa0 + i);
    for (size_t n = 0; n <= 40; n++) {
        struct frame f = frame_of(FRAME_SEND_PACKET, payload, n);

        assert_int_equal(frame_read_send_packet(&f, &key, &packet, &len), n >= 32);
        assert_int_equal(frame_read_recv_packet(&f, &key, &packet, &len), n >= 32);
        if (n < 32)
            continue;
        assert_memory_equal(key.bytes, payload, 32);
        assert_ptr_equal(packet, payload + 32);
        assert_int_equal(len, n - 32);
    }
    struct frame longest = frame_of(FRAME_SEND_PACKET, payload, 65568);
    assert_true(frame_read_send_packet(&longest, &key, &packet, &len));
    assert_int_equal(len, 65536);
    longest.len++;
    assert_false(frame_read_send_packet(&longest, &key, &packet, &len));
    free(payload);
}

static void test_note_preferred(void **state)
{
    (void)state;
    const uint8_t yes[] = {1, 0};
    const uint8_t no[] = {0};
    bool home = false;

    struct frame f = frame_of(FRAME_NOTE_PREFERRED, yes, 1);
    assert_true(frame_read_note_preferred(&f, &home));
    assert_true(home);
    f = frame_of(FRAME_NOTE_PREFERRED, no, 1);
    assert_true(frame_read_note_preferred(&f, &home));
    assert_false(home);
    f = frame_of(FRAME_NOTE_PREFERRED, yes, 0);
    assert_false(frame_read_note_preferred(&f, &home));
    f = frame_of(FRAME_NOTE_PREFERRED, yes, 2);
    assert_false(frame_read_note_preferred(&f, &home));
}

static void test_ping_and_pong(void **state)
{
    (void)state;
    const uint8_t expected[] = {0x13, 0, 0, 0, 8, 9, 8, 7, 6, 5, 4, 3, 2};
    uint8_t payload[1001] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
    uint8_t data[8];
    uint8_t out[FRAME_PONG_LEN];

    for (size_t n = 0; n <= sizeof(payload); n++) {
        struct frame f = frame_of(FRAME_PING, payload, n);
        assert_int_equal(frame_read_ping(&f, data), n >= 8 && n <= 1000);
    }
    frame_write_pong(out, data);
    assert_memory_equal(out, expected, sizeof(expected));
    assert_int_equal(sizeof(out), sizeof(expected));
}

static void test_peer_gone(void **state)
{
    (void)state;
    uint8_t out[FRAME_PEER_GONE_LEN];
    struct node_key key;
    struct node_key back;
    uint8_t reason = 9;
    struct frame f;
    size_t used;

    memset(key.bytes, 0x5a, sizeof(key.bytes));
    frame_write_peer_gone(out, &key, PEER_GONE_NOT_HERE);
    assert_memory_equal(out, "\x08\x00\x00\x00\x21\x5a", 6);
    assert_int_equal(out[37], 1);
    assert_int_equal(frame_decode(out, sizeof(out), &f, &used, NULL), FRAME_OK);
    assert_true(frame_read_peer_gone(&f, &back, &reason));
    assert_true(memcmp(&key, &back, sizeof(key)) == 0);
    assert_int_equal(reason, PEER_GONE_NOT_HERE);
    f.len = 32; /* older servers give no reason */
    assert_true(frame_read_peer_gone(&f, &back, &reason));
    assert_int_equal(reason, PEER_GONE_DISCONNECTED);
    for (f.len = 0; f.len < 32; f.len++)
        assert_false(frame_read_peer_gone(&f, &back, &reason));
}

static struct peer_present someone(void)
{
    struct peer_present p = {.port = 0x1f90, .flags = PEER_PRESENT_PROBER | PEER_PRESENT_NOT_IDEAL};

    memset(p.key.bytes, 0x11, KEY_LEN);
    memset(p.address, 0x22, sizeof(p.address));
    memcpy(p.app_name, "an app", 7);
    return p;
}

static void test_peer_present(void **state)
{
    (void)state;
    struct peer_present p = someone();
    struct peer_present back;
    uint8_t out[FRAME_PEER_PRESENT_MAX + 8] = {0};
    struct frame f;
    size_t used;
    size_t n = frame_write_peer_present(out, &p);

    assert_int_equal(n, 5 + 32 + 16 + 2 + 1 + 1 + 6);
    assert_memory_equal(out, "\x09\x00\x00\x00\x3a\x11", 6);
    assert_memory_equal(out + 5 + 32 + 16,
                        "\x1f\x90\x0c\x06"
                        "an app",
                        10);
    assert_int_equal(frame_decode(out, n, &f, &used, NULL), FRAME_OK);
    assert_true(frame_read_peer_present(&f, &back));
    assert_memory_equal(&back, &p, sizeof(p));

    f.len += 8; /* of a later version */
    assert_true(frame_read_peer_present(&f, &back));
    assert_string_equal(back.app_name, "an app");
    for (f.len = 0; f.len < 32 + 16 + 2 + 1 + 1 + 6; f.len++) {
        assert_int_equal(frame_read_peer_present(&f, &back), f.len >= 32);
        assert_string_equal(back.app_name, "");
        assert_int_equal(back.port, f.len >= 32 + 18 ? 0x1f90 : 0);
        assert_int_equal(back.flags, f.len >= 32 + 19 ? 12 : 0);
    }
}

static void test_peer_present_app_names(void **state)
{
    (void)state;
    struct peer_present p = someone();
    struct peer_present back;
    uint8_t out[FRAME_PEER_PRESENT_MAX];
    struct frame f;
    size_t used, n;

    memset(p.app_name, 'a', FRAME_APP_NAME_MAX);
    n = frame_write_peer_present(out, &p);
    assert_int_equal(n, FRAME_PEER_PRESENT_MAX);
    assert_int_equal(frame_decode(out, n, &f, &used, NULL), FRAME_OK);
    assert_true(frame_read_peer_present(&f, &back));
    assert_int_equal(strlen(back.app_name), FRAME_APP_NAME_MAX);

    out[5 + 32 + 19] = FRAME_APP_NAME_MAX + 1; /* longer than allowed, and than what is there */
    assert_true(frame_read_peer_present(&f, &back));
    assert_string_equal(back.app_name, "");
    out[5 + 32 + 19] = 2;
    out[5 + 32 + 20] = '\n';
    assert_true(frame_read_peer_present(&f, &back));
    assert_string_equal(back.app_name, "");
}

static void test_forward_packet(void **state)
{
    (void)state;
    uint8_t payload[2 * KEY_LEN + 3] = {0};
    struct frame f = {.type = FRAME_FORWARD_PACKET, .len = sizeof(payload), .payload = payload};
    struct node_key src, dst;
    const uint8_t *packet;
    size_t len;

    payload[KEY_LEN] = 7;
    assert_false(frame_read_forward_packet(&f, &src, &dst, &packet, &len)); /* from nobody */
    payload[0] = 9;
    assert_true(frame_read_forward_packet(&f, &src, &dst, &packet, &len));
    assert_int_equal(src.bytes[0], 9);
    assert_int_equal(dst.bytes[0], 7);
    assert_ptr_equal(packet, payload + 2 * KEY_LEN);
    assert_int_equal(len, 3);
    f.len = 2 * KEY_LEN;
    assert_true(frame_read_forward_packet(&f, &src, &dst, &packet, &len));
    assert_int_equal(len, 0);
    f.len = 2 * KEY_LEN - 1;
    assert_false(frame_read_forward_packet(&f, &src, &dst, &packet, &len));
    f.len = 2 * KEY_LEN + FRAME_PACKET_MAX + 1;
    assert_false(frame_read_forward_packet(&f, &src, &dst, &packet, &len));
}

static void test_close_peer_and_watch(void **state)
{
    (void)state;
    uint8_t out[FRAME_CLOSE_PEER_LEN], watch[FRAME_WATCH_LEN];
    struct node_key key, back;
    struct frame f;
    size_t used;

    memset(key.bytes, 0x5a, KEY_LEN);
    frame_write_close_peer(out, &key);
    assert_memory_equal(out, "\x11\x00\x00\x00\x20\x5a", 6);
    assert_int_equal(frame_decode(out, sizeof(out), &f, &used, NULL), FRAME_OK);
    assert_true(frame_read_close_peer(&f, &back));
    assert_true(node_key_equal(&key, &back));
    f.len = 31;
    assert_false(frame_read_close_peer(&f, &back));
    f.len = 33;
    assert_false(frame_read_close_peer(&f, &back));
    frame_write_watch(watch);
    assert_memory_equal(watch, "\x10\x00\x00\x00\x00", 5);
}

static void test_health(void **state)
{
    (void)state;
    uint8_t out[FRAME_HEALTH_MAX];
    char text[FRAME_HEALTH_TEXT + 10];
    struct frame f;
    size_t used;

    assert_int_equal(frame_write_health(out, ""), FRAME_HEADER_LEN);
    assert_int_equal(frame_decode(out, FRAME_HEADER_LEN, &f, &used, NULL), FRAME_OK);
    assert_int_equal(f.type, FRAME_HEALTH);
    assert_int_equal(f.len, 0);
    assert_int_equal(frame_write_health(out, "sick"), FRAME_HEADER_LEN + 4);
    assert_int_equal(frame_decode(out, sizeof out, &f, &used, NULL), FRAME_OK);
    assert_int_equal(f.len, 4);
    assert_memory_equal(f.payload, "sick", 4);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(frame_write_health(out, text), FRAME_HEALTH_MAX);
    assert_int_equal(frame_decode(out, sizeof out, &f, &used, NULL), FRAME_OK);
    assert_int_equal(f.len, FRAME_HEALTH_TEXT);
}

static void test_restarting(void **state)
{
    (void)state;
    const uint8_t expected[] = {0x15, 0, 0, 0, 8, 0, 0, 0x03, 0xe8, 0, 1, 0xd4, 0xc0};
    uint8_t out[FRAME_RESTARTING_LEN];
    struct frame f;
    uint32_t in = 0;
    uint32_t during = 0;
    size_t used;

    frame_write_restarting(out, 1000, 120000);
    assert_memory_equal(out, expected, sizeof(expected));
    assert_int_equal(frame_decode(out, sizeof(out), &f, &used, NULL), FRAME_OK);
    assert_true(frame_read_restarting(&f, &in, &during));
    assert_int_equal(in, 1000);
    assert_int_equal(during, 120000);
    for (f.len = 0; f.len < 8; f.len++)
        assert_false(frame_read_restarting(&f, &in, &during));
}

static void test_disco(void **state)
{
    (void)state;
    uint8_t packet[80] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};

    for (size_t n = 0; n <= sizeof(packet); n++)
        assert_int_equal(packet_is_disco(packet, n), n >= 62);
    for (size_t i = 0; i < 6; i++) {
        packet[i] ^= 1;
        assert_false(packet_is_disco(packet, sizeof(packet)));
        packet[i] ^= 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_bytes),
        cmocka_unit_test(test_decode_every_truncation),
        cmocka_unit_test(test_limits_are_judged_by_the_header),
        cmocka_unit_test(test_peek),
        cmocka_unit_test(test_header_bytes),
        cmocka_unit_test(test_packets),
        cmocka_unit_test(test_note_preferred),
        cmocka_unit_test(test_ping_and_pong),
        cmocka_unit_test(test_peer_gone),
        cmocka_unit_test(test_peer_present),
        cmocka_unit_test(test_peer_present_app_names),
        cmocka_unit_test(test_forward_packet),
        cmocka_unit_test(test_close_peer_and_watch),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_restarting),
        cmocka_unit_test(test_disco),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
