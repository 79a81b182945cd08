/* SPDX-License-Identifier: Apache-2.0 */
#include "base/net.c"

#include "tests/unit/unit.h"

/* Parses with a default port and prints again. */
static const char *round_trip(const char *s, uint16_t port)
{
    static char text[ENDPOINT_TEXT];
    struct endpoint e;
    return endpoint_parse(s, port, &e) ? endpoint_print(&e, text) : "refused";
}

static void parses(void **state)
{
    (void)state;
    assert_string_equal(round_trip("1.2.3.4:443", 0), "1.2.3.4:443");
    assert_string_equal(round_trip("1.2.3.4", 53), "1.2.3.4:53");
    assert_string_equal(round_trip("127.0.0.1:0", 443), "127.0.0.1:0");
    assert_string_equal(round_trip("[::1]:443", 0), "[::1]:443");
    assert_string_equal(round_trip("[::]", 3478), "[::]:3478");
    assert_string_equal(round_trip("2001:DB8::1", 80), "[2001:db8::1]:80");
    assert_string_equal(round_trip("[::ffff:1.2.3.4]:65535", 0), "[::ffff:1.2.3.4]:65535");
    assert_string_equal(round_trip("[fe80::1%lo]:1", 0), "[fe80::1%lo]:1");
    assert_string_equal(round_trip("[fe80::1%4000000]:1", 0), "[fe80::1%4000000]:1");
}

static void refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           ":443",        "1.2.3.4:",      "1.2.3.4:65536", "1.2.3.4:-1",
        "1.2.3:443",  "1.2.3.4.5:1", "01.2.3.4:1",    "localhost:443", "[::1]443",
        "[::1",       "::1]:443",    "[::1]:",        "[1.2.3.4]:443", "[]:443",
        "[::1]:443x", "1.2.3.4:4 3", " 1.2.3.4:443",  "[fe80::1%]:1",  "[fe80::1%nosuchif]:1",
        "*:443",      "[:::]:443",   "1.2.3.4:00x50", "2001:db8::1::",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (strcmp(round_trip(bad[i], 7), "refused") != 0)
            fail_msg("accepted \"%s\"", bad[i]);
    }
    assert_string_equal(round_trip("1.2.3.4", 0), "refused");
    assert_string_equal(round_trip("[::1]", 0), "refused");
    assert_string_equal(round_trip("::1", 0), "refused");

    char text[500];
    memset(text, '1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_string_equal(round_trip(text, 7), "refused");
    text[0] = '[';
    text[sizeof text - 2] = ']';
    assert_string_equal(round_trip(text, 7), "refused");
}

static void failure_leaves_the_target(void **state)
{
    (void)state;
    struct endpoint e;
    char text[ENDPOINT_TEXT];
    assert_true(endpoint_parse("1.2.3.4:5", 0, &e));
    assert_false(endpoint_parse("9.9.9.9:x", 0, &e));
    assert_string_equal(endpoint_print(&e, text), "1.2.3.4:5");
}

static void bare_addresses(void **state)
{
    (void)state;
    struct endpoint e;
    char text[ENDPOINT_TEXT];
    assert_true(endpoint_parse_ip("203.0.113.10", &e));
    assert_string_equal(endpoint_print_ip(&e, text), "203.0.113.10");
    assert_int_equal(endpoint_port(&e), 0);
    assert_true(endpoint_parse_ip("2001:db8::1", &e));
    assert_string_equal(endpoint_print_ip(&e, text), "2001:db8::1");
    assert_false(endpoint_parse_ip("1.2.3.4:5", &e));
    assert_false(endpoint_parse_ip("[::1]", &e));
    assert_false(endpoint_parse_ip("", &e));
}

static void unset_is_harmless(void **state)
{
    (void)state;
    struct endpoint e;
    struct endpoint other;
    char text[ENDPOINT_TEXT];
    memset(&e, 0, sizeof e);
    assert_int_equal(endpoint_len(&e), 0);
    assert_int_equal(endpoint_port(&e), 0);
    endpoint_set_port(&e, 5);
    assert_string_equal(endpoint_print(&e, text), "unset");
    assert_string_equal(endpoint_print_ip(&e, text), "unset");
    assert_false(endpoint_is_loopback(&e));
    assert_false(endpoint_same_ip(&e, &e));
    endpoint_parse_ip("::", &other);
    assert_false(endpoint_same_ip(&e, &other));
}

static void mapped_addresses(void **state)
{
    (void)state;
    struct endpoint mapped;
    struct endpoint plain;
    char text[ENDPOINT_TEXT];
    uint8_t bytes[16];
    assert_true(endpoint_parse("[::ffff:203.0.113.10]:443", 0, &mapped));
    assert_true(endpoint_parse("203.0.113.10:80", 0, &plain));
    assert_true(endpoint_same_ip(&mapped, &plain));
    endpoint_bytes16(&plain, bytes);
    assert_memory_equal(bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\x00\x71\x0a", 16);
    endpoint_unmap(&mapped);
    assert_string_equal(endpoint_print(&mapped, text), "203.0.113.10:443");
    assert_int_equal(endpoint_len(&mapped), sizeof(struct sockaddr_in));
    endpoint_unmap(&mapped);
    assert_string_equal(endpoint_print(&mapped, text), "203.0.113.10:443");
    assert_true(endpoint_parse_ip("::1", &mapped));
    endpoint_unmap(&mapped);
    assert_string_equal(endpoint_print_ip(&mapped, text), "::1");
    assert_false(endpoint_same_ip(&mapped, &plain));
}

static void loopback(void **state)
{
    (void)state;
    static const char *const yes[] = {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"};
    static const char *const no[] = {"128.0.0.1", "0.0.0.0", "::", "::2", "::ffff:1.0.0.127"};
    struct endpoint e;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        assert_true(endpoint_parse_ip(yes[i], &e));
        assert_true(endpoint_is_loopback(&e));
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        assert_true(endpoint_parse_ip(no[i], &e));
        assert_false(endpoint_is_loopback(&e));
    }
}

static void longest_text_fits(void **state)
{
    (void)state;
    struct endpoint e;
    char text[ENDPOINT_TEXT];
    assert_true(
        endpoint_parse("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295]:65535", 0, &e));
    assert_string_equal(endpoint_print(&e, text),
                        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}

static bool contains(const char *network, const char *address)
{
    struct network n;
    struct endpoint e;
    assert_true(network_parse(network, &n));
    assert_true(endpoint_parse_ip(address, &e));
    return network_has(&n, &e);
}

static void networks(void **state)
{
    (void)state;
    assert_true(contains("192.0.2.0/24", "192.0.2.0"));
    assert_true(contains("192.0.2.0/24", "192.0.2.255"));
    assert_false(contains("192.0.2.0/24", "192.0.3.0"));
    assert_false(contains("192.0.2.0/24", "192.0.1.255"));
    assert_true(contains("192.0.2.64/26", "192.0.2.127"));
    assert_false(contains("192.0.2.64/26", "192.0.2.128"));
    assert_true(contains("128.0.0.0/1", "255.1.2.3"));
    assert_false(contains("128.0.0.0/1", "127.255.255.255"));
    assert_true(contains("0.0.0.0/0", "203.0.113.7"));
    assert_true(contains("10.0.0.5", "10.0.0.5"));
    assert_false(contains("10.0.0.5", "10.0.0.4"));
    assert_true(contains("10.0.0.5/32", "::ffff:10.0.0.5"));
    assert_true(contains("2001:db8::/32", "2001:db8:ffff::1"));
    assert_false(contains("2001:db8::/32", "2001:db9::1"));
    assert_true(contains("2001:db8::80/121", "2001:db8::ff"));
    assert_false(contains("2001:db8::80/121", "2001:db8::7f"));
    assert_true(contains("::1", "::1"));
    assert_false(contains("::/0", "192.0.2.1"));
    assert_false(contains("0.0.0.0/0", "2001:db8::1"));
}

static void refuses_networks(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "/24",
        "192.0.2.0/",
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2.0/24/24",
        "192.0.2.1/24",
        "192.0.2.0/024x",
        "192.0.2/24",
        "2001:db8::/129",
        "2001:db8::1/64",
        "[2001:db8::]/32",
        "fe80::1%lo",
        "::ffff:192.0.2.0/120",
        "10.0.0.5:443",
        "proxy.example",
    };
    struct network n = {.prefix = 77};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (network_parse(bad[i], &n))
            fail_msg("accepted \"%s\"", bad[i]);
        assert_int_equal(n.prefix, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses),
        cmocka_unit_test(refuses),
        cmocka_unit_test(failure_leaves_the_target),
        cmocka_unit_test(bare_addresses),
        cmocka_unit_test(unset_is_harmless),
        cmocka_unit_test(mapped_addresses),
        cmocka_unit_test(loopback),
        cmocka_unit_test(longest_text_fits),
        cmocka_unit_test(networks),
        cmocka_unit_test(refuses_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
