/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/schedule.c"

#include "tests/unit/unit.h"

#define NEVER UINT32_MAX /* random value that takes nearly all of the spread off */

static void test_renew_at(void **state)
{
    (void)state;
    static const struct {
        int64_t lifetime, left;
    } rows[] = {
        {90 * DAY, 30 * DAY},     /* Let's Encrypt, classic */
        {45 * DAY, 15 * DAY},     /* tlsserver */
        {160 * HOUR, 80 * HOUR},  /* shortlived: half */
        {10 * DAY, 10 * DAY / 3}, /* ten days are not below ten days */
        {10 * DAY - 1, (10 * DAY - 1) / 2},
        {600, 300},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        time_t begin = 1800000000, end = begin + rows[i].lifetime;
        assert_int_equal(schedule_renew_at(begin, end), end - rows[i].left);
    }
    /* Nonsense renews at once. */
    assert_int_equal(schedule_renew_at(1000, 1000), 1000);
    assert_int_equal(schedule_renew_at(1000, 10), 1000);
}

static void test_delay_grows_to_its_ceiling(void **state)
{
    (void)state;
    static const struct {
        enum failure_class class;
        unsigned failures;
        int64_t wait;
    } rows[] = {
        {FAILURE_NETWORK, 1, MINUTE},
        {FAILURE_NETWORK, 2, 2 * MINUTE},
        {FAILURE_NETWORK, 3, 4 * MINUTE},
        {FAILURE_NETWORK, 7, HOUR},
        {FAILURE_NETWORK, 1000000, HOUR},
        {FAILURE_OVERLOAD, 1, 2 * MINUTE},
        {FAILURE_RATE_LIMIT, 1, HOUR},
        {FAILURE_RATE_LIMIT, 9, DAY},
        {FAILURE_PAUSED, 1, 12 * HOUR},
        {FAILURE_TERMS, 3, DAY},
        {FAILURE_REACHABILITY, 1, 15 * MINUTE},
        {FAILURE_REACHABILITY, 9, 12 * HOUR},
        {FAILURE_PREFLIGHT, 1, 5 * MINUTE},
        {FAILURE_PREFLIGHT, 9, HOUR},
        {FAILURE_CONFIGURATION, 1, HOUR},
        {FAILURE_PROTOCOL, 9, DAY},
        {FAILURE_LOCAL, 1, MINUTE},
        {FAILURE_CLOCK, 1, 5 * MINUTE},
        {FAILURE_NETWORK, 0, MINUTE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(schedule_delay(rows[i].class, rows[i].failures, 0, 0, 0), rows[i].wait);
}

static void test_delay_bounds(void **state)
{
    (void)state;
    for (enum failure_class c = FAILURE_NETWORK; c < FAILURE_CLASSES; c++) {
        for (unsigned failures = 1; failures < 40; failures++) {
            for (int64_t remaining = -DAY; remaining < 90 * DAY; remaining += 7 * HOUR) {
                int64_t slow = schedule_delay(c, failures, remaining, 0, 0);
                int64_t fast = schedule_delay(c, failures, remaining, 0, NEVER);
                assert_true(fast <= slow);
                assert_true(fast >= rules[c].least && slow <= DAY);
                /* An eighth of what is left, unless the CA's limits forbid so much hurry. */
                if (remaining > 0)
                    assert_true(slow <= max(remaining / 8, rules[c].least));
                /* Not more than five failed validations an hour. */
                if (c == FAILURE_REACHABILITY)
                    assert_true(fast >= HOUR / 5);
            }
        }
    }
    /* The first try after a network failure is at most a minute away. */
    assert_true(schedule_delay(FAILURE_NETWORK, 1, 0, 0, 0) <= 60);
    assert_true(schedule_delay(FAILURE_NETWORK, 1, 30 * DAY, 0, NEVER) <= 60);
}

static void test_retry_after(void **state)
{
    (void)state;
    /* Longer than ours counts, shorter does not, endless ones are cut. */
    assert_int_equal(schedule_delay(FAILURE_RATE_LIMIT, 1, 0, 34 * HOUR, 0), 34 * HOUR);
    assert_int_equal(schedule_delay(FAILURE_RATE_LIMIT, 1, DAY, 34 * HOUR, NEVER), 34 * HOUR);
    assert_int_equal(schedule_delay(FAILURE_RATE_LIMIT, 1, 0, 10, 0), HOUR);
    assert_int_equal(schedule_delay(FAILURE_OVERLOAD, 1, 0, 365 * DAY, 0), SCHEDULE_WAIT_MAX);
    assert_int_equal(schedule_delay(FAILURE_OVERLOAD, 1, 0, -5, 0), 2 * MINUTE);
}

static void test_spread(void **state)
{
    (void)state;
    int64_t slow = schedule_delay(FAILURE_RATE_LIMIT, 1, 0, 0, 0);
    int64_t middle = schedule_delay(FAILURE_RATE_LIMIT, 1, 0, 0, UINT32_MAX / 2);
    int64_t fast = schedule_delay(FAILURE_RATE_LIMIT, 1, 0, 0, NEVER);
    assert_int_equal(slow, HOUR);
    assert_true(fast >= HOUR * 3 / 4 && fast < middle && middle < slow);
}

static struct schedule_facts good(time_t now)
{
    return (struct schedule_facts){
        .now = now, .usable = true, .not_before = 0, .not_after = 90 * DAY};
}

static void test_decide(void **state)
{
    (void)state;
    struct schedule_facts f = good(10 * DAY);
    assert_int_equal(schedule_decide(&f), SCHEDULE_GOOD);
    f.now = 60 * DAY - 1;
    assert_int_equal(schedule_decide(&f), SCHEDULE_GOOD);
    f.now = 60 * DAY;
    assert_int_equal(schedule_decide(&f), SCHEDULE_DUE);
    f.now = 90 * DAY;
    assert_int_equal(schedule_decide(&f), SCHEDULE_EXPIRED);
    f.usable = false;
    assert_int_equal(schedule_decide(&f), SCHEDULE_MISSING);

    f = good(10 * DAY);
    f.forced = true;
    assert_int_equal(schedule_decide(&f), SCHEDULE_FORCED);
    f.open = true;
    assert_int_equal(schedule_decide(&f), SCHEDULE_RESUME);
}

static void test_decide_keeps_to_next_try(void **state)
{
    (void)state;
    struct schedule_facts f = good(70 * DAY);
    f.next_try = f.now + HOUR;
    assert_int_equal(schedule_decide(&f), SCHEDULE_WAIT);
    f.at_once = true;
    assert_int_equal(schedule_decide(&f), SCHEDULE_DUE);
    f.at_once = false;
    f.now = f.next_try;
    assert_int_equal(schedule_decide(&f), SCHEDULE_DUE);
    /* Written while the clock was years ahead: not believed. */
    f.next_try = f.now + 400 * DAY;
    assert_int_equal(schedule_decide(&f), SCHEDULE_DUE);
    /* A good certificate does not wait for anything. */
    f = good(10 * DAY);
    f.next_try = f.now + HOUR;
    assert_int_equal(schedule_decide(&f), SCHEDULE_GOOD);
}

static void test_words(void **state)
{
    (void)state;
    for (int a = SCHEDULE_GOOD; a <= SCHEDULE_DUE; a++)
        assert_true(strlen(schedule_words((enum schedule_answer)a)) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_renew_at),
        cmocka_unit_test(test_delay_grows_to_its_ceiling),
        cmocka_unit_test(test_delay_bounds),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_decide),
        cmocka_unit_test(test_decide_keeps_to_next_try),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
