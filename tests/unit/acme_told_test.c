/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/told.c"

#include "tests/unit/unit.h"

#define NOW 1800000000

static enum event fails(struct state *s, enum failure_class class, unsigned failures, time_t now)
{
    s->class = class;
    s->failures = failures;
    return told_failure(s, now);
}

static void test_failures(void **state)
{
    (void)state;
    struct state s = {0};
    assert_int_equal(told_failure(&s, NOW), EVENT_NONE);
    /* A network that is gone for some minutes is not worth a message. */
    assert_int_equal(fails(&s, FAILURE_NETWORK, 1, NOW), EVENT_NONE);
    assert_int_equal(fails(&s, FAILURE_NETWORK, 2, NOW), EVENT_NONE);
    assert_int_equal(fails(&s, FAILURE_NETWORK, 3, NOW), EVENT_FAILED);
    assert_int_equal(fails(&s, FAILURE_NETWORK, 4, NOW + 3600), EVENT_NONE);
    assert_int_equal(fails(&s, FAILURE_NETWORK, 5, NOW + DAY), EVENT_FAILED);
    /* Another class is news. */
    assert_int_equal(fails(&s, FAILURE_CONFIGURATION, 1, NOW + DAY + 1), EVENT_FAILED);
    assert_int_equal(fails(&s, FAILURE_CONFIGURATION, 2, NOW + DAY + 2), EVENT_NONE);
    assert_int_equal(fails(&s, FAILURE_PAUSED, 1, NOW + DAY + 3), EVENT_PAUSED);
    assert_int_equal(fails(&s, FAILURE_PAUSED, 2, NOW + DAY + 4), EVENT_NONE);
    assert_int_equal(fails(&s, FAILURE_PAUSED, 3, NOW + 3 * DAY), EVENT_PAUSED);
    /* A clock that has gone back does not make us silent. */
    assert_int_equal(fails(&s, FAILURE_PAUSED, 4, NOW), EVENT_PAUSED);
    told_renewed(&s);
    assert_int_equal(fails(&s, FAILURE_PAUSED, 1, NOW + 1), EVENT_PAUSED);
}

/* Two CAs that fail in different ways do it in each run. */
static void test_classes_that_take_turns(void **state)
{
    (void)state;
    struct state s = {0};
    unsigned events = 0;
    for (unsigned run = 0; run < 24; run++) {
        events += fails(&s, FAILURE_CONFIGURATION, run + 1, NOW + run * 3600) != EVENT_NONE;
        events += fails(&s, FAILURE_REACHABILITY, run + 1, NOW + run * 3600 + 9) != EVENT_NONE;
        events += fails(&s, FAILURE_PAUSED, run + 1, NOW + run * 3600 + 19) != EVENT_NONE;
    }
    assert_int_equal(events, 3);
}

static void test_expiring(void **state)
{
    (void)state;
    struct state s = {0};
    struct schedule_facts f = {.usable = true, .not_after = 90 * DAY};
    f.now = 72 * DAY - 1;
    assert_int_equal(told_expiring(&s, &f), EVENT_NONE);
    f.now = 72 * DAY;
    assert_int_equal(told_expiring(&s, &f), EVENT_EXPIRING);
    f.now += DAY - 1;
    assert_int_equal(told_expiring(&s, &f), EVENT_NONE);
    f.now += 1;
    assert_int_equal(told_expiring(&s, &f), EVENT_EXPIRING);
    f.now = 100 * DAY; /* it has expired */
    assert_int_equal(told_expiring(&s, &f), EVENT_EXPIRING);
    f.usable = false;
    f.now += 2 * DAY;
    assert_int_equal(told_expiring(&s, &f), EVENT_NONE);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(event_name(EVENT_RENEWED), "renewed");
    assert_string_equal(event_name(EVENT_EXPIRING), "expiring");
    assert_string_equal(event_name(EVENT_FAILED), "failed");
    assert_string_equal(event_name(EVENT_PAUSED), "paused");
    assert_string_equal(event_name(EVENT_NONE), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_classes_that_take_turns),
        cmocka_unit_test(test_expiring),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
