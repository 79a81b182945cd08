/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/key.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HEX_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
/* Alice's pair in RFC 7748 6.1. */
#define SECRET "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"

/* The seed 1, 2, … 32, and what Tailscale's types/key makes of it. */
static void seeded(struct keypair *pair)
{
    uint8_t seed[KEY_LEN];

    for (size_t i = 0; i < KEY_LEN; i++)
        seed[i] = (uint8_t)(i + 1);
    keypair_from_seed(seed, pair);
}

static void test_texts(void **state)
{
    (void)state;
    struct keypair pair;
    struct node_key back;
    char text[NODE_KEY_TEXT];
    char brief[NODE_KEY_SHORT];

    seeded(&pair);
    assert_string_equal(node_key_print(&pair.public_key, text),
                        "nodekey:07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c");
    assert_string_equal(node_key_short(&pair.public_key, brief), "[B6N8v]");
    assert_true(node_key_parse(text, &back));
    assert_true(node_key_equal(&back, &pair.public_key));
    back.bytes[31] ^= 1;
    assert_false(node_key_equal(&back, &pair.public_key));
}

static void test_short_of_extremes(void **state)
{
    (void)state;
    struct node_key k;
    char brief[NODE_KEY_SHORT];

    memset(k.bytes, 0, KEY_LEN);
    assert_string_equal(node_key_short(&k, brief), "[AAAAA]");
    assert_true(node_key_is_zero(&k));
    memset(k.bytes, 0xff, KEY_LEN);
    assert_string_equal(node_key_short(&k, brief), "[/////]");
    assert_false(node_key_is_zero(&k));
    memset(k.bytes, 0, KEY_LEN);
    k.bytes[31] = 1;
    assert_false(node_key_is_zero(&k));
}

static void test_parse_refuses(void **state)
{
    (void)state;
    char text[] = "nodekey:" HEX_A;
    struct node_key k;

    assert_true(node_key_parse("nodekey:00112233445566778899AABBCCDDEEFF00112233445566778899aabbccd"
                               "deeff",
                               &k));
    assert_false(node_key_parse(HEX_A, &k));
    assert_false(node_key_parse("privkey:" HEX_A, &k));
    assert_false(node_key_parse("nodekey:" HEX_A "0", &k));
    assert_false(node_key_parse("nodekey:" HEX_A "00", &k));
    assert_false(node_key_parse(" nodekey:" HEX_A, &k));
    assert_false(node_key_parse("nodekey:g" HEX_A, &k));
    for (size_t n = strlen(text); n > 0; n--) {
        text[n - 1] = '\0';
        assert_false(node_key_parse(text, &k));
    }
}

static void test_seed_is_clamped(void **state)
{
    (void)state;
    const char *expected = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    uint8_t seed[KEY_LEN];
    uint8_t want[KEY_LEN];
    struct keypair pair;

    assert_true(text_unhex(SECRET, seed, KEY_LEN));
    assert_true(text_unhex(expected, want, KEY_LEN));
    keypair_from_seed(seed, &pair);
    assert_memory_equal(pair.public_key.bytes, want, KEY_LEN);
    assert_int_equal(pair.secret[0] & 7, 0);
    assert_int_equal(pair.secret[31] & 0xc0, 0x40);
    keypair_wipe(&pair);
    assert_true(sodium_is_zero((uint8_t *)&pair, sizeof(pair)));
}

static void test_file_round_trip(void **state)
{
    (void)state;
    struct keypair pair;
    struct keypair back;
    struct fault f;

    seeded(&pair);
    char *text = keypair_print_file(&pair);
    assert_true(keypair_parse_file(text, strlen(text), &back, &f));
    assert_memory_equal(&pair, &back, sizeof(pair));
    for (size_t n = 0; n + 2 < strlen(text); n++) /* all but the last "}\n" or "\n" */
        assert_false(keypair_parse_file(text, n, &back, &f));
    free(text);
}

static void test_file_of_derper(void **state)
{
    (void)state;
    const char *text = "{\"PrivateKey\":\"privkey:" SECRET "\",\"Later\":[1,2]}";
    struct keypair pair;
    struct fault f;

    assert_true(keypair_parse_file(text, strlen(text), &pair, &f));
    assert_int_equal(pair.public_key.bytes[0], 0x85);
}

static void test_file_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *reason;
    } rows[] = {
        {"", "is not JSON"},
        {"\xff", "is not JSON"},
        {"{\"PrivateKey\":\"privkey:" SECRET "\"} x", "is not JSON"},
        {"[]", "no string member"},
        {"null", "is not JSON"},
        {"{}", "no string member"},
        {"{\"PrivateKey\":5}", "no string member"},
        {"{\"privatekey\":\"privkey:" SECRET "\"}", "no string member"},
        {"{\"PrivateKey\":\"" SECRET "\"}", "64 hex digits"},
        {"{\"PrivateKey\":\"nodekey:" SECRET "\"}", "64 hex digits"},
        {"{\"PrivateKey\":\"privkey:" SECRET "00\"}", "64 hex digits"},
        {"{\"PrivateKey\":\"privkey:x" SECRET "\"}", "64 hex digits"},
        {"{\"PrivateKey\":\"privkey:\"}", "64 hex digits"},
        {"{\"PrivateKey\":\"privkey:" ZEROS "\"}", "all zeros"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct keypair pair;
        struct fault f = {{0}};

        assert_false(keypair_parse_file(rows[i].text, strlen(rows[i].text), &pair, &f));
        if (!strstr(f.text, rows[i].reason))
            fail_msg("%s gave: %s", rows[i].text, f.text);
        assert_null(strstr(f.text, "77076d0a"));
    }
}

static void test_mesh_key(void **state)
{
    (void)state;
    static const char *const good[] = {
        HEX_A, HEX_A "\n", " \t\r\n" HEX_A "\r\n ",
        "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF"};
    static const char *const bad[] = {
        "",
        " ",
        "\n",
        HEX_A "0",
        HEX_A " 0",
        "0x" HEX_A,
        ZEROS,
        "0g112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        "00 1122334455667788 99aabbccddeeff00112233445566778899aabbccddeeff"};
    uint8_t want[KEY_LEN];
    uint8_t key[KEY_LEN];
    struct fault f;

    assert_true(text_unhex(HEX_A, want, KEY_LEN));
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(mesh_key_parse(good[i], strlen(good[i]), key, &f));
        assert_memory_equal(key, want, KEY_LEN);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(mesh_key_parse(bad[i], strlen(bad[i]), key, &f));
        assert_non_null(strstr(f.text, "a mesh key"));
    }
    for (size_t n = 0; n < 64; n++)
        assert_false(mesh_key_parse(HEX_A, n, key, &f));
    char with_nul[64];
    memcpy(with_nul, HEX_A, 64);
    with_nul[63] = '\0';
    assert_false(mesh_key_parse(with_nul, 64, key, &f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),           cmocka_unit_test(test_short_of_extremes),
        cmocka_unit_test(test_parse_refuses),   cmocka_unit_test(test_seed_is_clamped),
        cmocka_unit_test(test_file_round_trip), cmocka_unit_test(test_file_of_derper),
        cmocka_unit_test(test_file_refuses),    cmocka_unit_test(test_mesh_key),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
