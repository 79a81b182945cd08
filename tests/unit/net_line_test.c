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

/* --- Slow, or fast after all? -------------------------------------------------------------------
 */

struct seen {
    struct line line;
    struct line_sample sample;
};

static void begin(struct seen *s)
{
    s->sample = (struct line_sample){
        .acked = UINT32_MAX - 1000, .min_rtt_us = 10, .now_ms = UINT32_MAX - 100};
    line_found_slow(&s->line, &s->sample);
}

/* So many milliseconds later: bytes a second are acknowledged and TCP says another rate. */
static bool later(struct seen *s, uint32_t ms, uint32_t acked, uint64_t rate, uint32_t rtt_us)
{
    s->sample.now_ms += ms;
    s->sample.acked += (uint32_t)((uint64_t)acked * ms / 1000);
    s->sample.rate = rate;
    s->sample.rtt_us = rtt_us;
    return line_is_fast(&s->line, &s->sample);
}

static void test_a_burst_is_not_believed(void **state)
{
    (void)state;
    struct seen s;

    begin(&s);
    assert_int_equal(line_rate(&s.line, &s.sample), s.sample.rate); /* nothing is measured yet */
    for (int i = 0; i < 10; i++)
        assert_false(later(&s, 20, 500000, 500000, 60000));
    assert_false(later(&s, 1000, 0, 1000000000, 60000));
    assert_int_equal(line_rate(&s.line, &s.sample), 2 * 500000);
    assert_false(later(&s, 20, 0, 300000, 60000));
    assert_int_equal(line_rate(&s.line, &s.sample), 300000); /* TCP's, when it is less */
}

static void test_a_pause_does_not_count(void **state)
{
    (void)state;
    struct seen s;

    begin(&s);
    for (int i = 0; i < 20; i++)
        later(&s, PAUSE_MS + 1, 500000, 500000, 60000);
    assert_int_equal(s.line.rate, 0);
    for (int i = 0; i < 10; i++)
        later(&s, PAUSE_MS, 500000, 500000, 60000);
    assert_int_equal(s.line.rate, 500000);
}

static void test_without_a_queue_it_is_at_least_so_fast(void **state)
{
    (void)state;
    struct seen s;

    begin(&s);
    for (int i = 0; i < 12; i++)
        later(&s, 20, 500000, 500000, 60000);
    for (int i = 0; i < 10; i++)
        later(&s, 20, 1000, 500000, 100);
    assert_int_equal(s.line.rate, 500000);
    for (int i = 0; i < 12; i++)
        later(&s, 20, 1000, 500000, 60000);
    assert_int_equal(s.line.rate, 1000);
}

static void look(struct seen *s, int times, uint32_t acked, uint32_t rtt_us)
{
    for (int i = 0; i < times; i++)
        later(s, 20, acked, 1000000000, rtt_us);
}

static void test_what_the_sender_sent_is_no_measure(void **state)
{
    (void)state;
    struct seen s;

    begin(&s);
    for (int i = 0; i < 50; i++) {
        look(&s, 1, 10000, 40000);
        line_ran_dry(&s.line);
    }
    assert_int_equal(line_rate(&s.line, &s.sample), 1000000000);
    look(&s, 50, 500000, 40000);
    assert_int_equal(s.line.rate, 500000);
    for (int i = 0; i < 50; i++) {
        look(&s, 1, 10000, 40000);
        line_ran_dry(&s.line);
    }
    assert_int_equal(s.line.rate, 500000);
}

/* What a window of line_rate lets through: in somebody else's queue it must not shrink. */
static void test_a_queue_of_others(void **state)
{
    (void)state;
    struct seen s;

    begin(&s);
    s.sample.min_rtt_us = 20000;
    look(&s, 50, 1000000, 60000);
    for (int i = 0; i < 100; i++)
        look(&s, 20, (uint32_t)(line_window(line_rate(&s.line, &s.sample), 20000) * 1000 / 220),
             220000);
    assert_int_equal(s.line.rate, 1000000);
}

static void test_what_comes_late_is_no_measure(void **state)
{
    (void)state;
    struct seen s;

    begin(&s);
    look(&s, 12, 500000, 60000);
    look(&s, 6, 100, 60000);
    assert_int_equal(s.line.rate, 500000);
    look(&s, 6, 900000, 60000);
    look(&s, 6, 500000, 60000);
    look(&s, 6, 500000, 60000);
    assert_int_equal(s.line.rate, 500000);
    look(&s, 30, 0, 60000);
    assert_int_equal(s.line.rate, 500000);
}

static void test_between_two_bursts_nothing_is_measured(void **state)
{
    (void)state;
    struct seen s;

    begin(&s); /* 200 ms there and back: all acknowledgements come at once, and then none */
    s.sample.min_rtt_us = 180000;
    for (int i = 0; i < 100; i++) {
        later(&s, 20, i % 10 == 0 ? 5000000 : 0, 500000, 200000);
        assert_true(s.line.rate == 0 || (s.line.rate > 250000 && s.line.rate < 1000000));
    }
    assert_true(s.line.rate > 0);
}

static void test_fast_after_all(void **state)
{
    (void)state;
    struct seen s;
    int looks = 0;

    begin(&s); /* what is acknowledged shows it, whatever waits */
    while (!later(&s, 10, LINE_FAST + 100000, 1000, 60000))
        looks++;
    assert_in_range(looks, 10, 12);
    begin(&s); /* it would take more, and nothing waits */
    for (looks = 0; !later(&s, 10, 1000, LINE_FAST + 1, 100);)
        looks++;
    assert_in_range(looks, 8, 10);
    begin(&s); /* something waits: the rate is a burst's */
    for (looks = 0; looks < 100; looks++)
        assert_false(later(&s, 10, 1000, LINE_FAST + 1, 60000));
    for (looks = 0; looks < 100; looks++) /* a pause each time: no measure */
        assert_false(later(&s, PAUSE_MS + 1, 2 * LINE_FAST, LINE_FAST + 1, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_is_not_believed),
        cmocka_unit_test(test_a_pause_does_not_count),
        cmocka_unit_test(test_without_a_queue_it_is_at_least_so_fast),
        cmocka_unit_test(test_what_the_sender_sent_is_no_measure),
        cmocka_unit_test(test_a_queue_of_others),
        cmocka_unit_test(test_what_comes_late_is_no_measure),
        cmocka_unit_test(test_between_two_bursts_nothing_is_measured),
        cmocka_unit_test(test_fast_after_all),
        cmocka_unit_test(test_the_way_and_a_little_more),
        cmocka_unit_test(test_a_queue_is_time),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_waits_until_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
