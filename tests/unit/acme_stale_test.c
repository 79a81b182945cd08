/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/stale.c"

#include "tests/unit/unit.h"

#define NOW 1800000000

static void presented(struct state *s, const char *value)
{
    state_set(&s->hook_name, "_acme-challenge.derp.demo.com");
    state_set(&s->hook_value, value);
}

static void test_tried_again_ever_more_seldom(void **state)
{
    (void)state;
    struct state s = {0};
    struct stale lost;
    presented(&s, "one");
    stale_add(&s, NOW, &lost);
    assert_null(lost.name);
    assert_null(s.hook_name);
    assert_null(s.hook_value);
    assert_string_equal(s.stale[0].value, "one");
    assert_int_equal(stale_due(&s, 0, NOW, false), 0); /* by the next run */
    time_t now = NOW, last = 0;
    unsigned tries = 1;
    for (bool over = false; !over; tries++) {
        now = s.stale[0].next_try > now ? s.stale[0].next_try : now;
        assert_int_equal(stale_due(&s, 0, now, false), 0);
        over = stale_failed(&s, 0, now);
        time_t wait = s.stale[0].next_try - now;
        assert_true(wait >= last && wait >= HOUR && wait <= DAY);
        if (!over)
            assert_int_equal(stale_due(&s, 0, now + wait - 1, false), STATE_STALE);
        last = wait;
    }
    assert_int_equal(tries, STALE_TRIES);
    assert_true(now - NOW > 10 * DAY && now - NOW < 30 * DAY);
    /* Given up: only when a person asks, and that is no other end. */
    assert_true(stale_given_up(&s.stale[0]));
    assert_int_equal(stale_due(&s, 0, now + 9 * DAY, false), STATE_STALE);
    assert_int_equal(stale_due(&s, 0, now, true), 0);
    assert_false(stale_failed(&s, 0, now));
    assert_int_equal(s.stale[0].tries, STALE_TRIES);
    stale_done(&s, 0);
    assert_int_equal(stale_due(&s, 0, now, true), STATE_STALE);
    state_free(&s);
}

static void test_wrong_clock(void **state)
{
    (void)state;
    struct state s = {0};
    struct stale lost;
    presented(&s, "one");
    stale_add(&s, NOW + 900 * DAY, &lost);
    stale_failed(&s, 0, NOW + 900 * DAY);
    assert_int_equal(stale_due(&s, 0, NOW, false), 0);
    state_free(&s);
}

static void test_bounded(void **state)
{
    (void)state;
    struct state s = {0};
    struct stale lost;
    for (int i = 0; i < STATE_STALE; i++) {
        char value[] = {(char)('a' + i), '\0'};
        presented(&s, value);
        stale_add(&s, NOW, &lost);
        assert_null(lost.name);
    }
    assert_int_equal(stale_due(&s, 2, NOW, false), 2);
    stale_failed(&s, 3, NOW);
    presented(&s, "new");
    stale_add(&s, NOW, &lost);
    assert_string_equal(lost.value, "d"); /* tried most */
    assert_string_equal(s.stale[3].value, "new");
    stale_free(&lost);
    state_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tried_again_ever_more_seldom),
        cmocka_unit_test(test_wrong_clock),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
