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
                /* A twentieth of what is left, unless the CA's limits forbid so much hurry. */
                if (remaining > 0)
                    assert_true(slow <= max(remaining / 20, rules[c].least));
                /* What has expired is tried hourly at first. */
                if (remaining < 0 && remaining > -8 * HOUR)
                    assert_true(slow <= HOUR);
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
    static const struct {
        enum failure_class class;
        int64_t remaining, said, wait;
    } rows[] = {
        /* Longer than ours counts, shorter does not, endless ones are cut. */
        {FAILURE_RATE_LIMIT, 0, 34 * HOUR, 34 * HOUR},
        {FAILURE_RATE_LIMIT, DAY, 34 * HOUR, 34 * HOUR},
        {FAILURE_RATE_LIMIT, 0, 10, HOUR},
        {FAILURE_RATE_LIMIT, 0, 365 * DAY, 48 * HOUR},
        {FAILURE_PAUSED, DAY, 365 * DAY, 48 * HOUR},
        {FAILURE_OVERLOAD, 0, 365 * DAY, DAY},
        {FAILURE_OVERLOAD, 0, -5, 2 * MINUTE},
        /* Overload is no limit: it cannot let the certificate expire. */
        {FAILURE_OVERLOAD, 80 * HOUR, 30 * DAY, 4 * HOUR},
        {FAILURE_OVERLOAD, 5 * HOUR, 30 * DAY, HOUR},
        {FAILURE_OVERLOAD, 80 * HOUR, 5 * MINUTE, 5 * MINUTE},
        {FAILURE_OVERLOAD, -HOUR, 30 * DAY, HOUR},
        {FAILURE_OVERLOAD, 30 * DAY, 30 * DAY, DAY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(schedule_delay(rows[i].class, 1, rows[i].remaining, rows[i].said, 0),
                         rows[i].wait);
    for (enum failure_class c = FAILURE_NETWORK; c < FAILURE_CLASSES; c++)
        for (int64_t remaining = -DAY; remaining < 90 * DAY; remaining += DAY / 2)
            assert_true(schedule_delay(c, 50, remaining, INT64_MAX, 0) <= schedule_longest(c));
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
    f.now = 81 * DAY;
    assert_int_equal(schedule_decide(&f), SCHEDULE_EMERGENCY);
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
    /* A good certificate does not wait for anything. */
    f = good(10 * DAY);
    f.next_try = f.now + HOUR;
    assert_int_equal(schedule_decide(&f), SCHEDULE_GOOD);
}

/* Facts of a certificate that begins at 0, with a window and a moment in it, at now; all in
 * hours. */
struct ari_row {
    int64_t lifetime, start, end, pick, now;
    enum schedule_answer answer;
};

static void test_ari(void **state)
{
    (void)state;
    static const struct ari_row rows[] = {
        /* 90 days as Let's Encrypt does it: 43 hours around two thirds. The moment that was picked
         * counts, although it may be after the backstop, which the window covers. */
        {2160, 1419, 1462, 1425, 1423, SCHEDULE_GOOD},
        {2160, 1419, 1462, 1425, 1424, SCHEDULE_ARI}, /* before the next run of the timer */
        {2160, 1419, 1462, 1450, 1448, SCHEDULE_GOOD},
        {2160, 1419, 1462, 1450, 1449, SCHEDULE_ARI},
        {2160, 1419, 1462, 1450, 1500, SCHEDULE_ARI},
        /* 160 hours: a window of three is hit by runs an hour apart, never before it begins. */
        {160, 78, 81, 78, 77, SCHEDULE_GOOD},
        {160, 78, 81, 79, 78, SCHEDULE_ARI},
        {160, 78, 81, 80, 80, SCHEDULE_ARI},
        /* Windows in the past mean now: revoked, or an incident. */
        {2160, 10, 20, 15, 100, SCHEDULE_ARI},
        /* A window so short that no run falls into it: rather too early than too late. */
        {2160, 500, 501, 500, 498, SCHEDULE_GOOD},
        {2160, 500, 501, 500, 500, SCHEDULE_ARI},
        /* Later than the backstop, or open for ever: the backstop, or a little later. */
        {2160, 2000, 2100, 2050, 1439, SCHEDULE_GOOD},
        {2160, 2000, 2100, 2050, 1440, SCHEDULE_DUE},
        {2160, 1400, 9000, 8000, 1547, SCHEDULE_GOOD},
        {2160, 1400, 9000, 8000, 1548, SCHEDULE_DUE},
        {160, 100, 101, 100, 80, SCHEDULE_DUE},
        /* The last tenth: whatever the CA says. */
        {2160, 2100, 2150, 2149, 1944, SCHEDULE_EMERGENCY},
        {160, 0, 0, 0, 143, SCHEDULE_DUE},
        {160, 0, 0, 0, 144, SCHEDULE_EMERGENCY},
        {160, 0, 0, 0, 160, SCHEDULE_EXPIRED},
        /* None known: the backstop. */
        {2160, 0, 0, 0, 1439, SCHEDULE_GOOD},
        {2160, 0, 0, 0, 1440, SCHEDULE_DUE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct ari_row *r = &rows[i];
        struct schedule_facts f = {.now = r->now * HOUR,
                                   .usable = true,
                                   .not_after = r->lifetime * HOUR,
                                   .ari_start = r->start * HOUR,
                                   .ari_end = r->end * HOUR,
                                   .ari_pick = r->pick * HOUR};
        assert_int_equal(schedule_decide(&f), r->answer);
    }
}

static void test_a_window_between_two_runs(void **state)
{
    (void)state;
    struct schedule_facts f = {.usable = true,
                               .not_after = 90 * DAY,
                               .ari_start = 500 * HOUR,
                               .ari_pick = 500 * HOUR + 10,
                               .ari_end = 500 * HOUR + 10 * MINUTE};
    f.now = f.ari_end - SCHEDULE_TICK - 1;
    assert_int_equal(schedule_decide(&f), SCHEDULE_GOOD);
    f.now = f.ari_end - SCHEDULE_TICK;
    assert_int_equal(schedule_decide(&f), SCHEDULE_ARI); /* rather early than late */
}

/* Wherever the moment lies in a window of 3.2 hours, and whatever minute the timer runs at, some
 * run decides for it inside the window. */
static void test_the_timer_hits_every_short_window(void **state)
{
    (void)state;
    const time_t start = 80 * HOUR - 96 * MINUTE, end = 80 * HOUR + 96 * MINUTE;
    for (time_t pick = start; pick < end; pick += 7 * MINUTE) {
        for (time_t minute = 0; minute < SCHEDULE_TICK; minute += 5 * MINUTE) {
            struct schedule_facts f = {.now = 70 * HOUR + minute,
                                       .usable = true,
                                       .not_after = 160 * HOUR,
                                       .ari_start = start,
                                       .ari_end = end,
                                       .ari_pick = pick};
            while (schedule_decide(&f) == SCHEDULE_GOOD)
                f.now += SCHEDULE_TICK;
            assert_true(f.now >= start && f.now < end);
        }
    }
}

static void test_what_the_ca_wants_back(void **state)
{
    (void)state;
    struct schedule_facts f = {.now = 10 * DAY, .not_before = 0, .not_after = 90 * DAY};

    assert_int_equal(schedule_left(&f, 80 * DAY), 80 * DAY); /* no window is known */
    f.ari_start = f.ari_pick = 8 * DAY;
    f.ari_end = f.now;
    int64_t left = schedule_left(&f, 80 * DAY);
    assert_true(schedule_delay(FAILURE_REACHABILITY, 50, left, 0, 0) <= 2 * 3600);
    assert_int_equal(schedule_left(&f, 3600), 3600);
    assert_int_equal(schedule_left(&f, -5), -5);
    assert_int_equal(schedule_left(&f, 0), 0);
    f.ari_end = f.now + 1; /* it is not over */
    assert_int_equal(schedule_left(&f, 80 * DAY), 80 * DAY);
    f.now = 65 * DAY; /* the usual one, in which nothing was got */
    f.ari_end = 61 * DAY;
    assert_int_equal(schedule_left(&f, 25 * DAY), 25 * DAY);
}

static void test_clock(void **state)
{
    (void)state;
    assert_int_equal(schedule_clock(1000 * DAY, 900 * DAY, 0), SCHEDULE_CLOCK_FINE);
    assert_int_equal(schedule_clock(900 * DAY, 900 * DAY, 900 * DAY), SCHEDULE_CLOCK_FINE);
    assert_int_equal(schedule_clock(900 * DAY - 1, 900 * DAY, 0), SCHEDULE_CLOCK_WRONG);
    assert_int_equal(schedule_clock(1000 * DAY, 900 * DAY, 1001 * DAY), SCHEDULE_CLOCK_FINE);
    assert_int_equal(schedule_clock(1000 * DAY, 900 * DAY, 1001 * DAY + 1), SCHEDULE_CLOCK_BACK);
    assert_int_equal(schedule_clock(1000 * DAY, 900 * DAY, 990 * DAY), SCHEDULE_CLOCK_FINE);
}

static void test_words(void **state)
{
    (void)state;
    for (int a = SCHEDULE_GOOD; a <= SCHEDULE_EMERGENCY; a++)
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
        cmocka_unit_test(test_ari),
        cmocka_unit_test(test_a_window_between_two_runs),
        cmocka_unit_test(test_the_timer_hits_every_short_window),
        cmocka_unit_test(test_what_the_ca_wants_back),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
