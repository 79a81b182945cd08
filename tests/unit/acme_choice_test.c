/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/choice.c"

#include "tests/unit/unit.h"

#define HOUR 3600
#define DAY  (24 * HOUR)
#define NOW  1800000000

/* Fields that are left out are 0: a good CA, no emergency. Times are relative to NOW. */
struct row {
    struct choice_ca first, second;
    int64_t remaining;
    bool one, emergency, open, open_second, spent, stay; /* one: there is no second CA */
    bool want_second;
    time_t want_until;
};

static time_t absolute(time_t t)
{
    return t ? NOW + t : 0;
}

static struct choice choose(const struct row *r)
{
    struct choice_facts f = {.now = NOW,
                             .remaining = r->remaining,
                             .emergency = r->emergency,
                             .two = !r->one,
                             .open = r->open,
                             .open_second = r->open_second,
                             .spent = r->spent,
                             .stay = r->stay,
                             .first = r->first,
                             .second = r->second};
    f.first.due = absolute(f.first.due);
    f.second.due = absolute(f.second.due);
    f.first.failing_since = absolute(f.first.failing_since);
    f.second.failing_since = absolute(f.second.failing_since);
    f.first.failed_at = absolute(f.first.failed_at);
    f.second.failed_at = absolute(f.second.failed_at);
    return choice_make(&f);
}

#define DEAD(due_in)                                                                               \
    {                                                                                              \
        due_in, 9, -30 * HOUR                                                                      \
    }

static const struct row rows[] = {
    /* All is well, or there is no other. */
    {.remaining = 30 * DAY},
    {.one = true, .first = DEAD(60), .remaining = 30 * DAY, .want_until = 60},
    {.one = true, .first = DEAD(0), .emergency = true},
    /* A few failures, or many in a short time: patience. */
    {.first = {0, 2, -30 * HOUR}, .remaining = 30 * DAY},
    {.first = {0, 9, -5 * HOUR}, .remaining = 30 * DAY},
    {.first = {60, 9, -5 * HOUR}, .remaining = 30 * DAY, .want_until = 60},
    /* Enough of both. */
    {.first = {0, 3, -6 * HOUR}, .remaining = 30 * DAY, .want_second = true},
    {.first = {60, 3, -6 * HOUR}, .remaining = 30 * DAY, .want_second = true},
    /* It asks to wait for longer than our patience: one failure is enough then, not before. */
    {.first = {34 * HOUR, 1, -HOUR},
     .remaining = 30 * DAY,
     .want_second = true,
     .want_until = 5 * HOUR},
    {.first = {28 * HOUR, 1, -6 * HOUR}, .remaining = 30 * DAY, .want_second = true},
    {.first = {28 * HOUR, 1, -6 * HOUR},
     .second = {HOUR, 0, 0},
     .remaining = 30 * DAY,
     .want_second = true,
     .want_until = HOUR},
    {.first = {0, 2, -34 * HOUR}, .remaining = 30 * DAY},
    {.first = {28 * HOUR, 0, -6 * HOUR}, .remaining = 30 * DAY, .want_until = 28 * HOUR},
    /* With less time left, less patience. */
    {.first = {0, 3, -3 * HOUR}, .remaining = 24 * HOUR, .want_second = true},
    /* In an emergency the first failure is enough, and a wait is reason enough. */
    {.emergency = true},
    {.emergency = true, .first = {0, 1, -1}, .want_second = true},
    {.emergency = true, .first = {DAY, 1, -1}, .want_second = true},
    {.emergency = true, .first = {DAY, 0, 0}, .want_second = true},
    {.emergency = true,
     .first = {60, 1, -1},
     .second = {30, 1, -1},
     .want_second = true,
     .want_until = 30},
    {.emergency = true,
     .first = {60, 0, 0},
     .second = {30, 0, 0},
     .want_second = true,
     .want_until = 30},
    /* Both fail: each when it is due. */
    {.first = DEAD(0), .second = DEAD(0), .remaining = DAY},
    {.first = DEAD(60), .second = DEAD(0), .remaining = DAY, .want_second = true},
    {.first = DEAD(60),
     .second = DEAD(30),
     .remaining = DAY,
     .want_second = true,
     .want_until = 30},
    {.first = DEAD(60), .second = DEAD(90), .remaining = DAY, .want_until = 60},
    /* The second has failed once and waits: meanwhile the first is tried. */
    {.first = DEAD(0), .second = {60, 1, -1}, .remaining = DAY},
    /* An order is gone on with at its CA. */
    {.open = true, .open_second = true, .remaining = DAY, .want_second = true},
    {.open = true,
     .open_second = true,
     .second = {60, 1, -1},
     .remaining = DAY,
     .want_second = true,
     .want_until = 60},
    {.open = true, .open_second = true, .second = DEAD(60), .remaining = DAY},
    {.open = true, .first = {0, 1, -1}, .remaining = DAY},
    {.open = true, .first = DEAD(0), .remaining = DAY, .want_second = true},
    /* The certificate is issued: only its installation fails. */
    {.open = true, .stay = true, .first = DEAD(60), .remaining = DAY, .want_until = 60},
    {.open = true, .stay = true, .first = DEAD(60), .emergency = true, .want_until = 60},
    /* Between two that both fail an order that may be a certificate already is left seldom. */
    {.open = true,
     .spent = true,
     .first = {HOUR, 9, -30 * HOUR, -60},
     .second = {0, 9, -30 * HOUR, -HOUR},
     .remaining = 30 * DAY,
     .want_until = HOUR},
    {.open = true,
     .spent = true,
     .first = {9 * HOUR, 9, -30 * HOUR, -60},
     .second = {0, 9, -30 * HOUR, -HOUR},
     .remaining = 30 * DAY,
     .want_second = true,
     .want_until = 5 * HOUR},
    {.open = true,
     .spent = true,
     .first = {9 * HOUR, 9, -30 * HOUR, -60},
     .second = {0, 9, -30 * HOUR, -6 * HOUR},
     .remaining = 30 * DAY,
     .want_second = true},
    {.open = true,
     .spent = true,
     .emergency = true,
     .first = {9 * HOUR, 1, -HOUR, -60},
     .second = {0, 1, -HOUR, -600},
     .remaining = -1,
     .want_second = true,
     .want_until = 3000},
    {.open = true,
     .spent = true,
     .first = {HOUR, 9, -30 * HOUR, -60},
     .remaining = 30 * DAY,
     .want_second = true},
    /* The second CA has been taken out of the config. */
    {.one = true, .open = true, .open_second = true, .remaining = DAY},
};

static void test_choice(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct choice c = choose(&rows[i]);
        if (c.second != rows[i].want_second || c.until != absolute(rows[i].want_until))
            fail_msg("row %zu: second %d, until %ld", i, c.second, (long)c.until);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
