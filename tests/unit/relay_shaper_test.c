/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/shaper.c"

#include "tests/unit/unit.h"

#define MBIT  (1000 * 1000)
#define A_MS  485 /* bytes a millisecond of 4 Mbit/s, 3 % less */
#define DEPTH (DEPTH_MS * A_MS)

static void test_off(void **state)
{
    (void)state;
    struct shaper s;

    shaper_init(&s, 0, 0);
    assert_true(shaper_allowance(&s, 5) == SIZE_MAX);
    shaper_spend(&s, 1000000);
    assert_true(shaper_allowance(&s, 5) == SIZE_MAX);
    assert_int_equal(shaper_wait_ms(&s), 0);
}

/* Sent whenever something may be: over time the rate, whatever the steps. */
static void test_rate(void **state)
{
    (void)state;
    static const uint64_t rates[] = {MBIT / 2, MBIT, 4 * MBIT, 100ull * MBIT, 1000ull * MBIT};

    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        for (int64_t step = 1; step < 40; step += 7) {
            uint64_t sent = 0, expected;
            struct shaper s;

            shaper_init(&s, rates[i], 1000);
            for (int64_t now = 1000; now < 21000; now += step)
                while (shaper_allowance(&s, now) > 0) {
                    shaper_spend(&s, 1500);
                    sent += 1500;
                }
            expected = rates[i] / 8 * SHARE_PERCENT / 100 * 20;
            assert_true(sent < expected + expected / 50 + 2 * DEPTH_MIN);
            if (step <= DEPTH_MS) /* coarser steps find the bucket full */
                assert_true(sent > expected - expected / 50 - 2 * DEPTH_MIN);
        }
    }
}

static void test_a_rest_is_not_saved_up(void **state)
{
    (void)state;
    struct shaper s;

    shaper_init(&s, 4 * MBIT, 0);
    assert_int_equal(shaper_allowance(&s, 3600000), s.depth);
    assert_int_equal(s.depth, DEPTH);
    assert_int_equal(shaper_allowance(&s, INT64_MAX / 2), s.depth);
}

static void test_wait(void **state)
{
    (void)state;
    struct shaper s;

    shaper_init(&s, 4 * MBIT, 0);
    assert_int_equal(shaper_wait_ms(&s), 0);
    shaper_spend(&s, DEPTH);
    assert_int_equal(shaper_allowance(&s, 0), 0);
    assert_int_equal(shaper_wait_ms(&s), 4); /* 1600 bytes */
    assert_true(shaper_allowance(&s, 4) >= 1600);
    shaper_spend(&s, 10000); /* ahead */
    assert_int_equal(shaper_allowance(&s, 4), 0);
    assert_int_equal(shaper_wait_ms(&s), (1600 + 8060 + A_MS - 1) / A_MS);
    assert_true(shaper_allowance(&s, 4 + 21) >= 1600);
}

static void test_wire_bytes(void **state)
{
    (void)state;

    assert_int_equal(shaper_wire_bytes(0, 4096), 0);
    assert_int_equal(shaper_wire_bytes(137, 4096), 137 + 22 + 66);
    assert_int_equal(shaper_wire_bytes(1426, 4096), 1426 + 22 + 66); /* one full segment */
    assert_int_equal(shaper_wire_bytes(1427, 4096), 1427 + 22 + 2 * 66);
    assert_int_equal(shaper_wire_bytes(8192, 4096), 8192 + 2 * 22 + 6 * 66);
}

/* What comes in costs a little, and never more than a quarter, whatever comes in. */
static void test_acknowledgements(void **state)
{
    (void)state;
    struct shaper s;

    shaper_init(&s, 4 * MBIT, 0);
    shaper_spend(&s, DEPTH);
    shaper_note_received(&s, 2 * 1448);
    assert_int_equal(shaper_allowance(&s, 4), 4 * A_MS - 66);
    shaper_spend(&s, 4 * A_MS - 66);
    shaper_note_received(&s, 1000 * 1000 * 1000);
    assert_int_equal(shaper_allowance(&s, 8), 4 * A_MS - A_MS);
    shaper_spend(&s, 4 * A_MS - A_MS);
    assert_int_equal(shaper_allowance(&s, 12), 4 * A_MS); /* nothing is left over */
}

static void test_debt_is_bounded(void **state)
{
    (void)state;
    struct shaper s;

    shaper_init(&s, 4 * MBIT, 0);
    for (int i = 0; i < 1000; i++)
        shaper_spend(&s, 1000000);
    assert_in_range(shaper_wait_ms(&s), 250, 270);
    assert_true(shaper_allowance(&s, 300) > 0);
}

static void test_a_clock_that_goes_back(void **state)
{
    (void)state;
    struct shaper s;

    shaper_init(&s, 4 * MBIT, 3600000);
    shaper_spend(&s, DEPTH);
    assert_int_equal(shaper_allowance(&s, 0), 0);
    assert_int_equal(shaper_allowance(&s, 4), 4 * A_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_a_rest_is_not_saved_up),
        cmocka_unit_test(test_wire_bytes),
        cmocka_unit_test(test_acknowledgements),
        cmocka_unit_test(test_debt_is_bounded),
        cmocka_unit_test(test_a_clock_that_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
