/* SPDX-License-Identifier: Apache-2.0 */
#include "base/selfsigned.c"

#include "tests/unit/unit.h"

#define END   (10000 * (time_t)DAY) /* of the present certificate */
#define YEARS (3650 * (time_t)DAY)

/* What is due so many days before the end; made: likewise, when the next one was made, 0: never. */
static enum selfsigned_step decide(long left, long made, time_t *changes_at)
{
    const struct selfsigned_facts facts = {
        .now = END - left * DAY,
        .not_after = END,
        .next = made != 0,
        .next_not_before = END - (made + 1) * DAY,
        .next_not_after = END - made * DAY + YEARS,
    };
    return selfsigned_decide(&facts, changes_at);
}

static void test_long_before_the_end(void **state)
{
    (void)state;
    time_t at;
    assert_int_equal(decide(3650, 0, &at), SELFSIGNED_KEEP);
    assert_int_equal(decide(366, 0, &at), SELFSIGNED_KEEP);
    assert_int_equal(at, 0);
    assert_int_equal(decide(365, 0, &at), SELFSIGNED_PREPARE);
    assert_int_equal(decide(1, 0, &at), SELFSIGNED_PREPARE);
}

static void test_sixty_days_of_notice(void **state)
{
    (void)state;
    time_t at;
    assert_int_equal(decide(365, 365, &at), SELFSIGNED_KEEP);
    assert_int_equal(at, END - 305 * (time_t)DAY);
    assert_int_equal(decide(306, 365, &at), SELFSIGNED_KEEP);
    assert_int_equal(decide(305, 365, &at), SELFSIGNED_CHANGE);
    assert_int_equal(decide(-5, 365, &at), SELFSIGNED_CHANGE); /* it was off meanwhile */
}

static void test_a_late_start(void **state)
{
    (void)state;
    time_t at;
    assert_int_equal(decide(30, 30, &at), SELFSIGNED_KEEP);
    assert_int_equal(at, END - DAY); /* as much notice as there can be */
    assert_int_equal(decide(1, 30, &at), SELFSIGNED_CHANGE);
    /* Expired: nothing is lost by an hour, and the clock may be wrong. */
    assert_int_equal(decide(-100, -100, &at), SELFSIGNED_KEEP);
    assert_int_equal(at, END + 100 * (time_t)DAY + HOUR);
    assert_int_equal(decide(-101, -100, &at), SELFSIGNED_CHANGE);
}

static void test_a_clock_that_was_wrong(void **state)
{
    (void)state;
    time_t at;
    /* It was ten years ahead for a while: what it made then is of no use. */
    assert_int_equal(decide(3000, -100, &at), SELFSIGNED_KEEP);
    assert_int_equal(at, 0);
    /* Or it is years behind now: the next one that people know is kept. */
    assert_int_equal(decide(3000, 300, &at), SELFSIGNED_KEEP);
    assert_int_equal(at, 0);
    assert_int_equal(decide(300, -100, &at), SELFSIGNED_PREPARE);
    /* It was behind: the next one would not outlive the present one. */
    assert_int_equal(decide(100, 3650, &at), SELFSIGNED_PREPARE);
    assert_int_equal(decide(100, 3649, &at), SELFSIGNED_CHANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_before_the_end),
        cmocka_unit_test(test_sixty_days_of_notice),
        cmocka_unit_test(test_a_late_start),
        cmocka_unit_test(test_a_clock_that_was_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
