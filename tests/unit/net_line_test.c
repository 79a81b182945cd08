/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/line.c"

#include "tests/unit/unit.h"

#define MBIT 125000

static void test_the_way_and_a_little_more(void **state)
{
    (void)state;

    assert_int_equal(line_window(4 * MBIT, 100000), 4 * MBIT * 13 / 100);
    assert_int_equal(line_window(4 * MBIT, 0), 4 * MBIT * 3 / 100);
    assert_int_equal(line_window(20 * MBIT, 200000), 20 * MBIT * 23 / 100);
}

static void test_a_queue_is_time(void **state)
{
    (void)state;

    assert_true(line_has_queue(140000, 100000, LINE_QUEUE_FOUND_US));
    assert_false(line_has_queue(139999, 100000, LINE_QUEUE_FOUND_US));
    assert_false(line_has_queue(50000, UINT32_MAX, 0)); /* no minimum is known yet */
    assert_false(line_has_queue(0, 0, 0));
}

static void test_bounds(void **state)
{
    (void)state;

    assert_int_equal(line_window(0, 50000), WINDOW_AT_FIRST);
    assert_int_equal(line_window(1, 50000), WINDOW_MIN);
    assert_int_equal(line_window(4 * MBIT, UINT32_MAX), line_window(4 * MBIT, RTT_MAX_US));
    assert_true(line_window(UINT32_MAX, UINT32_MAX) > UINT32_MAX); /* no overflow */
}

static void test_waits_until_there_is_room(void **state)
{
    (void)state;

    assert_int_equal(line_wait_ms(15000, 15000, 4 * MBIT), 1);
    assert_int_equal(line_wait_ms(20000, 15000, 4 * MBIT), 11);
    assert_int_equal(line_wait_ms(1000000, 15000, 4 * MBIT), WAIT_MAX_MS);
    assert_int_equal(line_wait_ms(20000, 15000, 0), 1);
    assert_int_equal(line_wait_ms(0, 15000, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_way_and_a_little_more),
        cmocka_unit_test(test_a_queue_is_time),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_waits_until_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
