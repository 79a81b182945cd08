/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/header.c"

#include "tests/unit/unit.h"

#define RFC_DATE 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */

static void test_date(void **state)
{
    (void)state;
    static const char *const good[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT", /* the three forms of RFC 9110 5.6.7 */
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    static const char *const bad[] = {
        "",
        "now",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 0001 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994 x",
        "Sun, ",
        "Sun ",
    };
    time_t t;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        t = 0;
        assert_true(header_date(good[i], &t));
        assert_int_equal(t, RFC_DATE);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(header_date(bad[i], &t));
    assert_true(header_date("Tue, 15 Nov 2044 12:45:26 GMT", &t));
    assert_true(t > (time_t)INT32_MAX);
}

static void test_date_ignores_the_time_zone(void **state)
{
    (void)state;
    time_t t;
    setenv("TZ", "Pacific/Auckland", 1);
    tzset();
    assert_true(header_date("Sun, 06 Nov 1994 08:49:37 GMT", &t));
    assert_int_equal(t, RFC_DATE);
    unsetenv("TZ");
    tzset();
}

static void test_retry_after(void **state)
{
    (void)state;
    int64_t s;
    assert_true(header_retry_after("120", RFC_DATE, &s) && s == 120);
    assert_true(header_retry_after("0", RFC_DATE, &s) && s == 0);
    assert_true(header_retry_after("99999999999999999999999999", RFC_DATE, &s) && s == YEAR);
    assert_true(header_retry_after("Sun, 06 Nov 1994 08:50:37 GMT", RFC_DATE, &s) && s == 60);
    assert_true(header_retry_after("Sun, 06 Nov 1994 08:40:37 GMT", RFC_DATE, &s) && s == 0);
    assert_true(header_retry_after("Fri, 06 Nov 2099 08:40:37 GMT", RFC_DATE, &s) && s == YEAR);
    assert_false(header_retry_after("", RFC_DATE, &s));
    assert_false(header_retry_after("-1", RFC_DATE, &s));
    assert_false(header_retry_after("+5", RFC_DATE, &s));
    assert_false(header_retry_after("1.5", RFC_DATE, &s));
    assert_false(header_retry_after("60s", RFC_DATE, &s));
    assert_false(header_retry_after("soon", RFC_DATE, &s));
}

static void expect_link(const char *value, const char *rel, size_t index, const char *target)
{
    char *found = header_link(value, rel, index);
    if (target) {
        assert_non_null(found);
        assert_string_equal(found, target);
    } else {
        assert_null(found);
    }
    free(found);
}

static void test_link(void **state)
{
    (void)state;
    /* RFC 8555 7.4.2 and what Pebble sends. */
    const char *two = "<https://example.com/acme/cert/mAt3xBGaobw/1>;rel=\"alternate\", "
                      "<https://example.com/acme/directory>;rel=\"index\", "
                      "<https://example.com/acme/cert/mAt3xBGaobw/2>; rel=alternate";
    expect_link(two, "alternate", 0, "https://example.com/acme/cert/mAt3xBGaobw/1");
    expect_link(two, "alternate", 1, "https://example.com/acme/cert/mAt3xBGaobw/2");
    expect_link(two, "alternate", 2, NULL);
    expect_link(two, "index", 0, "https://example.com/acme/directory");
    expect_link(two, "up", 0, NULL);

    expect_link("<a>; REL=\"Next ALTERNATE\"", "alternate", 0, "a");
    expect_link("<a>; rel=\"alternates\"", "alternate", 0, NULL);
    expect_link("<a>; title=\"x, <b>; rel=alternate\"; rel=up", "up", 0, "a");
    expect_link("<a>; title=\"\\\"\"; rel=up", "up", 0, "a");
    expect_link("<a>; rel=up; rel=alternate", "alternate", 0, NULL); /* the first counts */
    expect_link("<a>; rel", "rel", 0, NULL);
    expect_link("<a>;;; rel=up", "up", 0, "a");
    expect_link("<>; rel=up", "up", 0, "");
}

static void test_link_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {"",          "<",          "<a",          ">",
                                      "a; rel=up", "<a> rel=up", "<a>; rel=\"", "<a>; rel=\"up\\",
                                      "<a>;",      "<a>; rel=",  ",,,"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_link(bad[i], "nothing", 0, NULL);
}

static void test_url(void **state)
{
    (void)state;
    assert_true(header_is_url("https://ca.example/acme?x=1#y"));
    assert_true(header_is_url("https://[::1]:14000/dir"));
    assert_false(header_is_url("http://ca.example/"));
    assert_false(header_is_url("https://"));
    assert_false(header_is_url("HTTPS://ca.example/"));
    assert_false(header_is_url("https://ca.example/a b"));
    assert_false(header_is_url("https://ca.example/\"x"));
    assert_false(header_is_url("https://ca.example/\\x"));
    assert_false(header_is_url("https://ca.example/\n"));
    assert_false(header_is_url("https://ca.ex\xc3\xa4mple/"));
    assert_false(header_is_url(""));
    char large[2100];
    snprintf(large, sizeof large, "https://%02000d", 0);
    assert_false(header_is_url(large));
}

static void test_nonce(void **state)
{
    (void)state;
    char large[257];
    memset(large, 'a', 256);
    large[256] = '\0';
    assert_true(header_is_nonce("oFvnlFP1wIhRlYS2jTaXbA"));
    assert_true(header_is_nonce("-_"));
    assert_false(header_is_nonce(""));
    assert_false(header_is_nonce("a+b"));
    assert_false(header_is_nonce("a=="));
    assert_false(header_is_nonce("a\"b"));
    assert_false(header_is_nonce(large));
    assert_true(header_is_nonce(large + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_date),           cmocka_unit_test(test_date_ignores_the_time_zone),
        cmocka_unit_test(test_retry_after),    cmocka_unit_test(test_link),
        cmocka_unit_test(test_link_malformed), cmocka_unit_test(test_url),
        cmocka_unit_test(test_nonce),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
