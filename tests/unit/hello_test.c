/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/hello.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MESH_HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define ZEROS    "0000000000000000000000000000000000000000000000000000000000000000"
#define A32      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* ClientInfo payloads that Tailscale's derp.NewClient (v1.104.5) sent, client seed 1, 2, … 32,
 * server seed 128, 129, … 159: a plain client, and one with a mesh key, IsProber and AppName. */
static const char recorded_plain[] =
    "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c35a2ff6bf8831aac463a3a1d2eb02f"
    "ca4393d81907e891c469e004b9d2dfa9306b22946c352b264d19c65679529b1e97f3e8d1963f3d92f14a4ad14d5776"
    "2c372c6dcba207c0cfd1";
static const char recorded_prober[] =
    "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c5261a17425dad51fafe2a0a031d1a8"
    "2ed5c294290a55021f3c7adaa4faea213b5985d3993e4809040f11980dfc81ad3ac9251b05f35559d98f2df4b18651"
    "a14cd1d9ada2f0c6abd3f7c54eeccc89efd05b591340c808cb745ed506e9f7c06a1ad051f775dc843a0ffaa3362971"
    "0c0af5b10458369e55cc523579236a03f7dd1d06aab1f87b11838b84d189cddf2438b1d1e234baa9db82c95e884c1c"
    "c3d4a502e4e8f662f8d8eb52354b0d8c7e45885c1b54039d43adb9df37";
/* {"version":2,"TokenBucketBytesPerSecond":1000,"TokenBucketBytesBurst":2000}, server to client */
static const char recorded_server_info[] =
    "5e0ffd6fbf07d5cccaed5c572d2a1d34e19336fccb12af1feecc4aaf7e7644f792f3195bab4e8e33e0c437d04f1931"
    "968990cb25b7460c1d95682bd1bfb6ddfd6fee87062c6fa08a92298da1866314570b9ff9f0ee6fadd532aad7dbde16"
    "64b95f9912d8259489dfb26a919f8991d35ca72cde";

static struct keypair client;
static struct keypair server;
static const uint8_t nonce[NONCE_LEN] = {9, 8, 7, 6, 5, 4, 3, 2, 1};

static int make_keys(void **state)
{
    (void)state;
    uint8_t seed[KEY_LEN];

    for (size_t i = 0; i < KEY_LEN; i++)
        seed[i] = (uint8_t)(i + 1);
    keypair_from_seed(seed, &client);
    for (size_t i = 0; i < KEY_LEN; i++)
        seed[i] = (uint8_t)(i + 128);
    keypair_from_seed(seed, &server);
    return 0;
}

/* Exactly sized copies, so that ASan sees a read past the end. */
static uint8_t *unhex(const char *hex, size_t *n)
{
    *n = strlen(hex) / 2;
    uint8_t *bytes = malloc(*n);
    assert_true(text_unhex(hex, bytes, *n));
    return bytes;
}

static void test_server_key(void **state)
{
    (void)state;
    uint8_t out[HELLO_SERVER_KEY_LEN];
    uint8_t longer[1025] = {0};
    struct node_key back;

    hello_write_server_key(out, &server.public_key);
    assert_memory_equal(out, "\x01\x00\x00\x00\x28\x44\x45\x52\x50\xf0\x9f\x94\x91", 13);
    assert_memory_equal(out + 13, server.public_key.bytes, KEY_LEN);
    assert_int_equal(sizeof(out), 45);
    memcpy(longer, out + 5, 40);
    for (size_t n = 0; n <= sizeof(longer); n++)
        assert_int_equal(hello_read_server_key(longer, n, &back), n >= 40 && n <= 1024);
    assert_true(node_key_equal(&back, &server.public_key));
    for (size_t i = 0; i < 8; i++) {
        longer[i] ^= 1;
        assert_false(hello_read_server_key(longer, 40, &back));
        longer[i] ^= 1;
    }
    memset(longer + 8, 0, KEY_LEN);
    assert_false(hello_read_server_key(longer, 40, &back));
}

static void test_recorded_client_info(void **state)
{
    (void)state;
    struct client_info info;
    struct fault f;
    size_t n;
    uint8_t *payload = unhex(recorded_plain, &n);

    if (!hello_read_client_info(payload, n, &server, &info, &f))
        fail_msg("%s", f.text);
    assert_true(node_key_equal(&info.key, &client.public_key));
    assert_int_equal(info.version, 2);
    assert_true(info.can_ack_pings);
    assert_false(info.has_mesh_key);
    assert_false(info.is_prober);
    assert_string_equal(info.app_name, "");
    free(payload);

    payload = unhex(recorded_prober, &n);
    assert_true(hello_read_client_info(payload, n, &server, &info, &f));
    assert_true(info.has_mesh_key);
    assert_memory_equal(info.mesh_key, "\x00\x11\x22\x33\x44\x55", 6);
    assert_true(info.is_prober);
    assert_string_equal(info.app_name, "probe 1");
    free(payload);
}

static void test_client_info_every_length_and_bit(void **state)
{
    (void)state;
    struct client_info info;
    struct fault f;
    size_t n;
    uint8_t *payload = unhex(recorded_plain, &n);

    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *exact = mem_copy(payload, cut > 0 ? cut : 1);

        assert_false(hello_read_client_info(exact, cut, &server, &info, &f));
        assert_non_null(strstr(f.text, cut < 56 ? "bytes" : "does not open"));
        free(exact);
    }
    for (size_t i = 0; i < n; i++) {
        payload[i] ^= 0x10;
        assert_false(hello_read_client_info(payload, n, &server, &info, &f));
        payload[i] ^= 0x10;
    }
    free(payload);
}

static void test_client_info_refuses_keys_and_sizes(void **state)
{
    (void)state;
    struct client_info info;
    struct fault f;
    uint8_t *payload = mem_alloc(1, HELLO_CLIENT_INFO_MAX + 1);

    assert_false(hello_read_client_info(payload, 100, &server, &info, &f));
    assert_non_null(strstr(f.text, "zeros"));
    payload[0] = 1; /* a point of small order */
    assert_false(hello_read_client_info(payload, 100, &server, &info, &f));
    assert_non_null(strstr(f.text, "does not open"));
    assert_false(hello_read_client_info(payload, HELLO_CLIENT_INFO_MAX, &server, &info, &f));
    assert_non_null(strstr(f.text, "does not open"));
    assert_false(hello_read_client_info(payload, HELLO_CLIENT_INFO_MAX + 1, &server, &info, &f));
    assert_non_null(strstr(f.text, "262145 bytes"));
    free(payload);
}

static void test_client_info_round_trip(void **state)
{
    (void)state;
    struct client_info info = {.version = 2, .is_prober = true, .has_mesh_key = true};
    struct client_info back;
    struct frame frame;
    struct fault f;
    struct buf out;
    size_t used;

    uint8_t secret[HELLO_SECRET_LEN];

    memset(info.mesh_key, 0xee, KEY_LEN);
    strcpy(info.app_name, "a \"b\" \\");
    buf_init(&out, 4096);
    assert_true(buf_puts(&out, "before"));
    assert_true(hello_write_client_info(&out, &info, &client, &server.public_key, nonce));
    assert_memory_equal(out.data, "before", 6);
    assert_int_equal(frame_decode(out.data + 6, out.len - 6, &frame, &used, NULL), FRAME_OK);
    assert_int_equal(frame.type, FRAME_CLIENT_INFO);
    assert_int_equal(used, out.len - 6);
    assert_memory_equal(frame.payload + KEY_LEN, nonce, NONCE_LEN);
    if (!hello_read_client_info(frame.payload, frame.len, &server, &back, &f))
        fail_msg("%s", f.text);
    info.key = client.public_key;
    assert_memory_equal(&back.mesh_key, &info.mesh_key, KEY_LEN);
    assert_true(back.is_prober && back.has_mesh_key && !back.can_ack_pings);
    assert_string_equal(back.app_name, info.app_name);
    assert_true(hello_secret(&client, &server.public_key, secret)); /* either side finds the same */
    assert_memory_equal(back.secret, secret, sizeof(secret));
    buf_free(&out);
}

/* The JSON is what Go writes, to the byte, so that a server sees no difference. */
static void test_client_info_json(void **state)
{
    (void)state;
    struct client_info info = {.version = 2, .can_ack_pings = true};
    char *text = print_client_info(&info);

    assert_string_equal(text, "{\"version\":2,\"CanAckPings\":true}");
    free(text);
    info = (struct client_info){.has_mesh_key = true, .is_prober = true, .app_name = "x"};
    text = print_client_info(&info);
    assert_string_equal(text, "{\"meshKey\":\"" ZEROS
                              "\",\"CanAckPings\":false,\"IsProber\":true,\"AppName\":\"x\"}");
    free(text);
}

static void test_writers_leave_a_full_buffer_alone(void **state)
{
    (void)state;
    struct client_info info = {.version = 2};
    struct node_key no_point = {{0}};
    uint8_t secret[HELLO_SECRET_LEN];
    struct buf out;

    assert_true(hello_secret(&server, &client.public_key, secret));
    for (size_t room = 0; room < 100; room++) {
        buf_init(&out, room);
        bool ok = hello_write_client_info(&out, &info, &client, &server.public_key, nonce);
        assert_int_equal(out.len, ok ? 5 + 32 + 24 + 16 + 33 : 0);
        buf_free(&out);
        buf_init(&out, room);
        ok = hello_write_server_info(&out, secret, nonce);
        assert_int_equal(ok, room >= 58);
        assert_int_equal(out.len, ok ? 5 + 24 + 16 + 13 : 0);
        buf_free(&out);
    }
    buf_init(&out, 4096);
    assert_false(hello_write_client_info(&out, &info, &client, &no_point, nonce));
    assert_false(hello_secret(&server, &no_point, secret));
    strcpy(info.app_name, "\xff");
    assert_false(hello_write_client_info(&out, &info, &client, &server.public_key, nonce));
    assert_int_equal(out.len, 0);
    buf_free(&out);
}

static void test_server_info(void **state)
{
    (void)state;
    struct frame frame;
    struct fault f;
    struct buf out;
    uint8_t secret[HELLO_SECRET_LEN];
    int64_t version = 0;
    size_t used;
    size_t n;

    buf_init(&out, 4096);
    assert_true(hello_secret(&server, &client.public_key, secret));
    assert_true(hello_write_server_info(&out, secret, nonce));
    assert_int_equal(frame_decode(out.data, out.len, &frame, &used, NULL), FRAME_OK);
    assert_int_equal(frame.type, FRAME_SERVER_INFO);
    assert_true(hello_read_server_info(frame.payload, frame.len, &client, &server.public_key,
                                       &version, &f));
    assert_int_equal(version, 2);
    assert_false(hello_read_server_info(frame.payload, frame.len, &client, &client.public_key,
                                        &version, &f));
    for (size_t cut = 0; cut < frame.len; cut++)
        assert_false(
            hello_read_server_info(frame.payload, cut, &client, &server.public_key, &version, &f));
    buf_free(&out);

    uint8_t *payload = unhex(recorded_server_info, &n);
    version = 0;
    assert_true(hello_read_server_info(payload, n, &client, &server.public_key, &version, &f));
    assert_int_equal(version, 2);
    free(payload);
}

/* A row's text is refused, or read with this result. All but the last rows of `refused` are what
 * Go's encoding/json and derp.ValidAppName say too. */
struct json_row {
    const char *text;
    size_t n; /* 0: strlen */
    struct client_info info;
};

static const struct json_row accepted[] = {
    {.text = "null"},
    {.text = "{}"},
    {.text = "\n\t {}\r\n "},
    {.text = "{\"version\":2}", .info = {.version = 2}},
    {.text = "{\"version\":null,\"CanAckPings\":null,\"IsProber\":null,\"AppName\":null}"},
    {.text = "{\"version\":2,\"version\":3}", .info = {.version = 3}},
    {.text = "{\"version\":1,\"VERSION\":5}", .info = {.version = 5}},
    {.text = "{\"VERSION\":5,\"version\":1}", .info = {.version = 1}},
    {.text = "{\"CANACKPINGS\":true,\"isprober\":true,\"appname\":\"x\"}",
     .info = {.can_ack_pings = true, .is_prober = true, .app_name = "x"}},
    {.text = "{\"CanAckPings\":true,\"canackpings\":false}"},
    {.text = "{\"version\":-7}", .info = {.version = -7}},
    {.text = "{\"version\":-0}"},
    {.text = "{\"version\":9223372036854775807}", .info = {.version = INT64_MAX}},
    {.text = "{\"version\":-9223372036854775808}", .info = {.version = INT64_MIN}},
    {.text = "{\"meshKey\":\"" ZEROS "\"}"},
    {.text = "{\"AppName\":\"" A32 "\"}", .info = {.app_name = A32}},
    {.text = "{\"AppName\":\" ~\"}", .info = {.app_name = " ~"}},
    {.text = "{\"AppName\":\"\"}"},
    {.text = "{\"AppName\":\"\\u0041\\/\\\"\\\\\"}", .info = {.app_name = "A/\"\\"}},
    {.text = "{\"x\":\"\xff\xfe\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82\"}"},
    {.text = "{\"x\":\"\xf0\x8f\xbf\xbf\xe0\x9f\xbf\xf5\x80\xf0\x9f\x98\x80\"}"},
    {.text = "{\"\xff\":1,\"\xff\":2}"},
    {.text = "{\"x\":\"\\ud800\"}"},
    {.text = "{\"x\":\"\\udc00\\ud800\"}"},
    {.text = "{\"x\":\"\\ud800\\ud800\\udc00\"}"},
    {.text = "{\"x\":\"\\uD83D\\uDE00\"}"},
    {.text = "{\"x\\u0000y\":\"\\u0000\"}"},
    {.text = "{\"x\":\"\\ue000\\uffff\"}"}, /* behind the surrogates */
    /* the first and last of what is valid: U+0800, U+D7FF, U+10000, U+10FFFF */
    {.text = "{\"x\":\"\xe0\xa0\x80\xed\x9f\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"}"},
    {.text = "{\"x\":{\"y\":[1,2.5,{\"z\":null,\"version\":\"no\"}]}}"},
    {.text = "{\"x\":\"\x7f\"}"},
};

static const struct json_row refused[] = {
    {.text = "{\"version\":9223372036854775808}"},
    {.text = "{\"version\":2.0}"},
    {.text = "{\"version\":2e0}"},
    {.text = "{\"version\":\"2\"}"},
    {.text = "{\"version\":true}"},
    {.text = "{\"version\":[]}"},
    {.text = "{\"CanAckPings\":1}"},
    {.text = "{\"CanAckPings\":\"true\"}"},
    {.text = "{\"IsProber\":0}"},
    {.text = "{\"isprober\":{}}"},
    {.text = "{\"AppName\":5}"},
    {.text = "{\"AppName\":\"" A32 "a\"}"},
    {.text = "{\"AppName\":\"\x7f\"}"},
    {.text = "{\"AppName\":\"\\n\"}"},
    {.text = "{\"AppName\":\"\\u0000\"}"},
    {.text = "{\"AppName\":\"\xc3\xbc\"}"},
    {.text = "{\"AppName\":\"\xff\"}"},
    {.text = "{\"meshKey\":\"\"}"},
    {.text = "{\"meshKey\":null}"},
    {.text = "{\"meshKey\":7}"},
    {.text = "{\"meshKey\":{}}"},
    {.text = "{\"MESHKEY\":\"" MESH_HEX "0\"}"},
    {.text = "{\"meshKey\":\"x" MESH_HEX "\"}"},
    {.text = "{\"meshKey\":\" 0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}"},
    {.text = "{\"x\":\"\\uZZZZ\"}"},
    {.text = "{\"x\":\"\\u12\"}"},
    {.text = "{\"x\":\"\\q\"}"},
    {.text = "{\"x\":\"\\\xc3\xbc\"}"},
    {.text = "{\"x\":\"a\nb\"}"},
    {.text = "{\"x\":\"a\tb\"}"},
    {.text = "{\"x\":\"a\0b\"}", .n = 11},
    {.text = "{\"x\x01\":1}"},
    {.text = ""},
    {.text = " "},
    {.text = "[]"},
    {.text = "5"},
    {.text = "\"x\""},
    {.text = "true"},
    {.text = "{} {}"},
    {.text = "{}x"},
    {.text = "{}\0", .n = 3},
    {.text = "{\"version\":2}\xc2\xa0"},
    {.text = "{\"version\":2,}"},
    {.text = "{version:2}"},
    {.text = "{\"version\":02}"},
    {.text = "{\"version\":2"},
    {.text = "nul"},
    {.text = "NULL"},
    {.text = "\xef\xbb\xbf{}"},
    {.text = "\xff{}"},
    {.text = "{}\xe2\x82"}, /* cut off */
    {.text = "{}\\"},
    {.text = "{\\u0041:1}"},
    {.text = "\\u0000{}"},
    /* Go skips these. */
    {.text = "{\"x\":1e999}"},
    {.text = "{\"x\":123456789012345678901234567890}"},
};

static bool parse_row(const struct json_row *row, struct client_info *info, struct fault *f)
{
    size_t n = row->n ? row->n : strlen(row->text);
    char *exact = mem_copy(row->text, n > 0 ? n : 1);
    bool ok;

    memset(info, 0, sizeof(*info));
    ok = hello_parse_client_info(exact, n, info, f);
    free(exact);
    return ok;
}

static void test_json_as_go_reads_it(void **state)
{
    (void)state;
    struct client_info got;
    struct fault f;

    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        const struct client_info *want = &accepted[i].info;

        if (!parse_row(&accepted[i], &got, &f))
            fail_msg("%s: %s", accepted[i].text, f.text);
        if (got.version != want->version || got.can_ack_pings != want->can_ack_pings ||
            got.is_prober != want->is_prober || got.has_mesh_key ||
            strcmp(got.app_name, want->app_name) != 0)
            fail_msg("%s is read wrongly", accepted[i].text);
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        f.text[0] = '\0';
        if (parse_row(&refused[i], &got, &f))
            fail_msg("%s is accepted", refused[i].text);
        assert_int_not_equal(f.text[0], '\0');
        for (const char *c = f.text; *c; c++)
            assert_true(*c >= ' ' && *c <= '~');
    }
}

static void test_json_mesh_key(void **state)
{
    (void)state;
    const struct json_row row = {.text = "{\"meshkey\":\"" MESH_HEX "\"}"};
    struct client_info info;
    struct fault f;
    uint8_t want[KEY_LEN];

    assert_true(text_unhex(MESH_HEX, want, KEY_LEN));
    assert_true(parse_row(&row, &info, &f));
    assert_true(info.has_mesh_key);
    assert_memory_equal(info.mesh_key, want, KEY_LEN);
}

static void test_json_depth_is_bounded(void **state)
{
    (void)state;
    struct client_info info = {0};
    struct fault f;

    for (size_t depth = 1000; depth <= 250000; depth *= 5) {
        struct buf text;

        buf_init(&text, 2 * depth + 10);
        buf_puts(&text, "{\"x\":");
        for (size_t i = 0; i < depth; i++)
            buf_puts(&text, "[");
        for (size_t i = 0; i < depth; i++)
            buf_puts(&text, "]");
        buf_puts(&text, "}");
        assert_int_equal(hello_parse_client_info(buf_text(&text), text.len, &info, &f),
                         depth < 2000);
        buf_free(&text);
    }
}

/* Values cost memory and time; what stands inside of strings does not. */
static void test_json_values_are_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *unit;
        size_t count;
        bool ok;
    } rows[] = {
        {"0,", 4000, true},    {"0,", 4096, false},   {"{},", 2000, true},
        {"{},", 87000, false}, {"[],", 87000, false}, {"\"[{:,\\\"\",", 4000, true},
        {"\"a\":", 10, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client_info info = {.version = 0};
        struct fault f;
        struct buf text;

        buf_init(&text, 1024 * 1024);
        buf_puts(&text, "{\"x\":[");
        for (size_t k = 0; k < rows[i].count; k++)
            buf_puts(&text, rows[i].unit);
        buf_puts(&text, "0]}");
        assert_int_equal(hello_parse_client_info(buf_text(&text), text.len, &info, &f), rows[i].ok);
        if (rows[i].count > 10 && !rows[i].ok)
            assert_non_null(strstr(f.text, "more than 4096 values"));
        buf_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_key),
        cmocka_unit_test(test_recorded_client_info),
        cmocka_unit_test(test_client_info_every_length_and_bit),
        cmocka_unit_test(test_client_info_refuses_keys_and_sizes),
        cmocka_unit_test(test_client_info_round_trip),
        cmocka_unit_test(test_client_info_json),
        cmocka_unit_test(test_writers_leave_a_full_buffer_alone),
        cmocka_unit_test(test_server_info),
        cmocka_unit_test(test_json_as_go_reads_it),
        cmocka_unit_test(test_json_mesh_key),
        cmocka_unit_test(test_json_depth_is_bounded),
        cmocka_unit_test(test_json_values_are_bounded),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, make_keys, NULL);
}
