/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.c"

#include "tests/unit/unit.h"

static void numbers(void **state)
{
    (void)state;
    uint64_t v = 9;
    assert_true(text_number("0", 0, 5, &v));
    assert_int_equal(v, 0);
    assert_true(text_number("18446744073709551615", 0, UINT64_MAX, &v));
    assert_true(v == UINT64_MAX);
    assert_true(text_number("007", 1, 7, &v));
    static const char *const bad[] = {"",     " 1",
                                      "1 ",   "+1",
                                      "-1",   "1x",
                                      "0x10", "1.0",
                                      "6000", "18446744073709551616",
                                      "4",    "184467440737095517160"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        v = 77;
        if (text_number(bad[i], 5, 5000, &v))
            fail_msg("accepted \"%s\"", bad[i]);
        assert_int_equal(v, 77);
    }
}

static void durations(void **state)
{
    (void)state;
    uint64_t v = 9;
    assert_true(text_duration("0", 10, &v));
    assert_int_equal(v, 0);
    assert_true(text_duration("90s", 90, &v));
    assert_int_equal(v, 90);
    assert_true(text_duration("10m", 600, &v));
    assert_int_equal(v, 600);
    assert_true(text_duration("2h", 7200, &v));
    assert_int_equal(v, 7200);
    assert_false(text_duration("2h", 7199, &v));
    assert_false(text_duration("91s", 90, &v));
    static const char *const bad[] = {"",     "s",   "m",  "10",   "-1s",
                                      "1.5h", "1 m", "1d", "10ms", "99999999999999999999h",
                                      "1S",   " 1s", "00"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (text_duration(bad[i], UINT64_MAX, &v))
            fail_msg("accepted \"%s\"", bad[i]);
    }
}

static void rates(void **state)
{
    (void)state;
    uint64_t v;
    assert_true(text_rate("4mbit", &v));
    assert_int_equal(v, 4000000);
    assert_true(text_rate("512KBit", &v));
    assert_int_equal(v, 512000);
    assert_true(text_rate("1gbit", &v));
    assert_int_equal(v, 1000000000);
    assert_true(text_rate("18446744073gbit", &v));
    static const char *const bad[] = {"",        "4",      "mbit",  "0mbit",  "-1mbit",
                                      "1.5mbit", "4 mbit", "4mbps", "4mbitx", "18446744074gbit",
                                      "4bit",    "4mb"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (text_rate(bad[i], &v))
            fail_msg("accepted \"%s\"", bad[i]);
    }
}

static void hex(void **state)
{
    (void)state;
    uint8_t bytes[4];
    char text[9];
    assert_true(text_unhex("00fFA07e", bytes, 4));
    assert_memory_equal(bytes, "\x00\xff\xa0\x7e", 4);
    text_hex(bytes, 4, text);
    assert_string_equal(text, "00ffa07e");
    assert_false(text_unhex("00ffa0", bytes, 4));
    assert_false(text_unhex("00ffa07e00", bytes, 4));
    assert_false(text_unhex("00ffa07g", bytes, 4));
    assert_false(text_unhex("00 fa07e", bytes, 4));
    assert_true(text_unhex("", bytes, 0));
}

static void base64url(void **state)
{
    (void)state;
    /* RFC 4648 10, without padding, and the two characters that differ. */
    static const char *const pairs[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char *s = text_base64url(pairs[i][0], strlen(pairs[i][0]));
        assert_string_equal(s, pairs[i][1]);
        free(s);
        uint8_t back[16];
        size_t n = 99;
        assert_true(text_unbase64url(pairs[i][1], back, sizeof back, &n));
        assert_int_equal(n, strlen(pairs[i][0]));
        assert_memory_equal(back, pairs[i][0], n);
    }
    static const char *const bad[] = {"Zg==", "Z", "+/8", "Zm 8", "Zm8\n", "Zh", "Zm9v\xd9mE"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t back[16];
        size_t n;
        if (text_unbase64url(bad[i], back, sizeof back, &n))
            fail_msg("accepted \"%s\"", bad[i]);
    }
    uint8_t small[2];
    size_t n;
    assert_false(text_unbase64url("Zm9v", small, sizeof small, &n));
    assert_true(text_unbase64url("Zm8", small, sizeof small, &n));
}

static void trims(void **state)
{
    (void)state;
    char a[] = " \t a b \r\n";
    assert_string_equal(text_trim(a), "a b");
    char b[] = "  ";
    assert_string_equal(text_trim(b), "");
    char c[] = "";
    assert_string_equal(text_trim(c), "");
}

static void hostnames(void **state)
{
    (void)state;
    static const char *const good[] = {
        "derp.demo.com",
        "DERP.Demo.COM",
        "a.b",
        "derp.demo.com.",
        "xn--bcher-kva.example",
        "1.2.3.x4",
        "4chan.org",
        "a--b.example",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk.com",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!text_is_hostname(good[i], NULL))
            fail_msg("refused \"%s\"", good[i]);
    }
    static const struct {
        const char *name;
        const char *why; /* part of the reason */
    } bad[] = {
        {"", "empty"},
        {".", "empty"},
        {"localhost", "one label"},
        {"com.", "one label"},
        {"a..b", "empty label"},
        {".a.b", "empty label"},
        {"a.b..", "empty label"},
        {"-a.b", "hyphen"},
        {"a-.b", "hyphen"},
        {"a.b-", "hyphen"},
        {"a_b.c", "underscore"},
        {"*.a.b", "wildcard"},
        {"b\xc3\xbc.de", "xn--"},
        {"a b.c", "only letters"},
        {"a.b/c", "only letters"},
        {"https://a.b", "only letters"},
        {"a.b:443", "only letters"},
        {"a.b\n", "only letters"},
        {"203.0.113.10", "address"},
        {"a.1", "address"},
        {"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl.com", "63"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *why = "";
        if (text_is_hostname(bad[i].name, &why))
            fail_msg("accepted \"%s\"", bad[i].name);
        if (!strstr(why, bad[i].why))
            fail_msg("\"%s\": %s", bad[i].name, why);
    }
}

static void hostname_length(void **state)
{
    (void)state;
    char name[300] = "";
    for (int i = 0; i < 127; i++)
        strcat(name, "a.");
    const char *why;
    assert_true(text_is_hostname(name, &why)); /* 253 and the trailing dot */
    strcat(name, "a");
    assert_false(text_is_hostname(name, &why));
    assert_non_null(strstr(why, "253"));
}

static void lowers(void **state)
{
    (void)state;
    char out[8];
    text_lower("DeRp.C.", out, sizeof out);
    assert_string_equal(out, "derp.c");
    text_lower("ABCDEFGHIJ", out, sizeof out);
    assert_string_equal(out, "abcdefg");
    text_lower("", out, sizeof out);
    assert_string_equal(out, "");
    text_lower(".", out, sizeof out);
    assert_string_equal(out, "");
    text_lower("x", out, 1);
    assert_string_equal(out, "");
    text_lower("x", NULL, 0);
}

static void printable(void **state)
{
    (void)state;
    char out[64];
    text_printable("a\0\n\xff ~\x7f", 7, out, sizeof out);
    assert_string_equal(out, "a\\x00\\x0a\\xff ~\\x7f");
    text_printable("abc\n", 4, out, 6);
    assert_string_equal(out, "abc"); /* an escape is whole or absent */
    text_printable("abc", 3, out, 3);
    assert_string_equal(out, "ab");
    text_printable("abc", 3, out, 1);
    assert_string_equal(out, "");
    text_printable(NULL, 0, out, sizeof out);
    assert_string_equal(out, "");
}

static void prefixes_and_suffixes(void **state)
{
    (void)state;
    assert_true(text_starts("abc", "ab"));
    assert_true(text_starts("abc", ""));
    assert_false(text_starts("a", "ab"));
    assert_true(text_ends("abc", "bc"));
    assert_true(text_ends("abc", ""));
    assert_false(text_ends("c", "bc"));
    assert_true(text_same(NULL, NULL));
    assert_true(text_same("a", "a"));
    assert_false(text_same(NULL, "a"));
    assert_false(text_same("a", NULL));
    assert_false(text_same("a", "b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(durations),
        cmocka_unit_test(rates),
        cmocka_unit_test(hex),
        cmocka_unit_test(base64url),
        cmocka_unit_test(trims),
        cmocka_unit_test(hostnames),
        cmocka_unit_test(hostname_length),
        cmocka_unit_test(lowers),
        cmocka_unit_test(printable),
        cmocka_unit_test(prefixes_and_suffixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
