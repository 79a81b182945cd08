/* SPDX-License-Identifier: Apache-2.0 */
#define DERP_RELAY_BUILD_TIME 1700000000
#include "base/clock.c"

#include "tests/unit/unit.h"

static void prints(void **state)
{
    (void)state;
    char text[CLOCK_TEXT];
    assert_string_equal(clock_print(0, text), "1970-01-01T00:00:00Z");
    assert_string_equal(clock_print(1795423194, text), "2026-11-23T08:39:54Z");
    assert_string_equal(clock_print(253402300799, text), "9999-12-31T23:59:59Z");
    assert_string_equal(clock_print(253402300800, text), "0000-00-00T00:00:00Z");
    assert_string_equal(clock_print(INT64_MAX, text), "0000-00-00T00:00:00Z");
    assert_string_equal(clock_print(-1, text), "1969-12-31T23:59:59Z");
}

static void parses_what_it_prints(void **state)
{
    (void)state;
    for (time_t t = -86400; t < 4102444800; t += 86399 * 7) {
        char text[CLOCK_TEXT];
        time_t again;
        assert_true(clock_parse(clock_print(t, text), &again));
        assert_int_equal(again, t);
    }
}

static void skips_fractions(void **state)
{
    (void)state;
    time_t t;
    assert_true(clock_parse("2026-11-23T08:39:54.123456789Z", &t));
    assert_int_equal(t, 1795423194);
    assert_true(clock_parse("2024-02-29T00:00:00Z", &t));
}

static void refuses_the_rest(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11-23",
        "2026-11-23T08:39:54",
        "2026-11-23 08:39:54Z",
        "2026-11-23T08:39:54z",
        "2026-11-23T08:39:54+00:00",
        "2026-11-23T08:39:54.Z",
        "2026-11-23T08:39:54.1",
        "2026-11-23T08:39:54Zx",
        "2026-13-23T08:39:54Z",
        "2026-00-23T08:39:54Z",
        "2026-02-29T08:39:54Z",
        "2026-11-31T08:39:54Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T08:60:54Z",
        "2026-11-23T08:39:61Z",
        "-026-11-23T08:39:54Z",
        " 2026-11-23T08:39:54Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        time_t t = 7;
        if (clock_parse(bad[i], &t))
            fail_msg("accepted \"%s\"", bad[i]);
        assert_int_equal(t, 7);
    }
}

static void moves_forward(void **state)
{
    (void)state;
    int64_t a = clock_mono_ns();
    int64_t b = clock_mono_ns();
    assert_true(b >= a);
    assert_true(clock_mono_ms() >= a / 1000000);
    assert_true(clock_wall() > clock_build());
    assert_int_equal(clock_build(), 1700000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints),          cmocka_unit_test(parses_what_it_prints),
        cmocka_unit_test(skips_fractions), cmocka_unit_test(refuses_the_rest),
        cmocka_unit_test(moves_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
