/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/attempts.c"

#include "tests/unit/unit.h"

#define NAME   "derp.demo.com"
#define NOW    1800000000
#define FIRST  "https://first.example/dir"
#define SECOND "https://second.example/dir"

static void fails(struct state *s, const char *directory, enum failure_class class, time_t now)
{
    struct failure fail;
    failure_set(&fail, class, "%s", failure_name(class));
    attempts_failed(s, directory, &fail, now, 0, 0);
}

static void test_each_class_has_its_own_schedule(void **state)
{
    (void)state;
    struct state s = {0};
    fails(&s, FIRST, FAILURE_REACHABILITY, NOW);
    assert_int_equal(s.next_try, NOW + 15 * 60);
    fails(&s, FIRST, FAILURE_NETWORK, NOW + 900);
    assert_int_equal(s.next_try, NOW + 960);
    assert_int_equal(s.failures, 1);
    assert_int_equal(s.total, 2);
    /* What lies between two failed validations does not make the second one the first. */
    fails(&s, FIRST, FAILURE_REACHABILITY, NOW + 960);
    assert_int_equal(s.next_try, NOW + 960 + 30 * 60);
    assert_int_equal(s.failures, 2);
    assert_int_equal(s.total, 3);
    assert_int_equal(s.cas[0].failing_since, NOW);
    assert_string_equal(s.problem, "reachability");
    assert_null(s.problem_type);

    attempts_succeeded(&s, FIRST);
    assert_int_equal(s.total, 0);
    assert_int_equal(s.next_try, 0);
    assert_int_equal(s.class, FAILURE_NONE);
    assert_string_equal(s.problem, "reachability"); /* what it was stays known */
    fails(&s, FIRST, FAILURE_REACHABILITY, NOW + 6000);
    assert_int_equal(s.next_try, NOW + 6000 + 15 * 60);
    assert_int_equal(s.cas[0].failing_since, NOW + 6000);
    state_free(&s);
}

static void test_each_ca_has_its_own_record(void **state)
{
    (void)state;
    struct state s = {0};
    fails(&s, FIRST, FAILURE_NETWORK, NOW);
    fails(&s, FIRST, FAILURE_NETWORK, NOW);
    fails(&s, SECOND, FAILURE_NETWORK, NOW);
    assert_int_equal(attempts_find(&s, FIRST)->failures[FAILURE_NETWORK], 2);
    assert_int_equal(attempts_find(&s, SECOND)->failures[FAILURE_NETWORK], 1);
    assert_null(attempts_find(&s, "https://third.example/dir"));
    /* What is no attempt at a certificate is nobody's last problem. */
    struct failure fail;
    failure_set(&fail, FAILURE_NETWORK, "registering");
    attempts_put_off(&s, SECOND, &fail, NOW, 0);
    assert_int_equal(attempts_next_try(attempts_find(&s, SECOND), NOW), NOW + 120);
    assert_string_equal(s.problem, "network");
    assert_int_equal(s.total, 3);
    /* A success anywhere forgives all: the next renewal begins with the first CA. But one that is
     * to be left in peace still is. */
    attempts_succeeded(&s, FIRST);
    assert_int_equal(attempts_find(&s, SECOND)->failures[FAILURE_NETWORK], 0);
    assert_int_equal(attempts_find(&s, SECOND)->failing_since, 0);
    assert_int_equal(attempts_next_try(attempts_find(&s, SECOND), NOW), NOW + 120);
    assert_int_equal(attempts_find(&s, FIRST)->failures[FAILURE_NETWORK], 0);
    assert_int_equal(attempts_next_try(attempts_find(&s, FIRST), NOW + 2), 0);
    state_free(&s);
}

static void test_the_place_of_the_oldest_is_taken(void **state)
{
    (void)state;
    struct state s = {0};
    attempts_issued(&s, "https://a/", NAME, NOW + 30);
    attempts_issued(&s, "https://b/", NAME, NOW + 10);
    fails(&s, "https://c/", FAILURE_NETWORK, NOW + 20);
    fails(&s, "https://d/", FAILURE_NETWORK, NOW + 40);
    fails(&s, "https://e/", FAILURE_NETWORK, NOW + 50);
    assert_non_null(attempts_find(&s, "https://a/"));
    assert_null(attempts_find(&s, "https://b/"));
    assert_non_null(attempts_find(&s, "https://c/"));
    assert_non_null(attempts_find(&s, "https://d/"));
    assert_non_null(attempts_find(&s, "https://e/"));
    state_free(&s);
}

static void test_next_try_of_a_wrong_clock(void **state)
{
    (void)state;
    static const struct {
        enum failure_class class;
        time_t failed_at, next_try, believed;
    } rows[] = {
        {FAILURE_NETWORK, NOW - 10, NOW + 50, NOW + 50},
        {FAILURE_NETWORK, NOW - 100, NOW - 50, 0},
        {FAILURE_NETWORK, NOW - 10, NOW, 0},
        /* Noted later than now: the clock has gone back since. */
        {FAILURE_NETWORK, NOW + 3600, NOW + 3660, 0},
        {FAILURE_NETWORK, NOW + 60, NOW + 120, NOW + 120}, /* a minute is nothing */
        /* Further ahead than a class allows. */
        {FAILURE_NETWORK, NOW, NOW + DAY, NOW + DAY},
        {FAILURE_NETWORK, NOW, NOW + DAY + 1, 0},
        {FAILURE_RATE_LIMIT, NOW, NOW + 2 * DAY, NOW + 2 * DAY},
        {FAILURE_RATE_LIMIT, NOW, NOW + 2 * DAY + 1, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ca_record r = {
            .class = rows[i].class, .failed_at = rows[i].failed_at, .next_try = rows[i].next_try};
        assert_int_equal(attempts_next_try(&r, NOW), rows[i].believed);
    }
    assert_int_equal(attempts_next_try(NULL, NOW), 0);
}

/* A clock that jumps ahead, fails there, and comes back costs one try, and later ones wait. */
static void test_a_jump_costs_one_try(void **state)
{
    (void)state;
    struct state s = {0};
    fails(&s, FIRST, FAILURE_REACHABILITY, NOW + 5 * DAY);
    assert_int_equal(attempts_next_try(&s.cas[0], NOW), 0);
    fails(&s, FIRST, FAILURE_REACHABILITY, NOW);
    assert_int_equal(attempts_next_try(&s.cas[0], NOW), NOW + 30 * 60);
    assert_int_equal(s.cas[0].failing_since, NOW);
    state_free(&s);
}

static void test_a_wrong_clock_is_forgiven(void **state)
{
    (void)state;
    struct state s = {0};
    fails(&s, FIRST, FAILURE_NETWORK, NOW - 100);
    fails(&s, FIRST, FAILURE_CLOCK, 5 * DAY); /* in 1970 */
    fails(&s, FIRST, FAILURE_CLOCK, 6 * DAY);
    assert_int_equal(s.cas[0].failing_since, NOW - 100);
    assert_int_equal(s.total, 3);
    assert_true(attempts_forgive_clock(&s, NOW));
    assert_int_equal(s.total, 1);
    assert_int_equal(s.class, FAILURE_NONE);
    assert_int_equal(s.cas[0].failures[FAILURE_CLOCK], 0);
    assert_int_equal(s.cas[0].failures[FAILURE_NETWORK], 1);
    assert_string_equal(s.problem, "clock"); /* stays known */
    assert_false(attempts_forgive_clock(&s, NOW));
    /* Not before its next try. */
    fails(&s, FIRST, FAILURE_CLOCK, NOW);
    assert_false(attempts_forgive_clock(&s, NOW + 60));
    assert_true(attempts_forgive_clock(&s, NOW + 300));
    /* Other failures are not. */
    fails(&s, FIRST, FAILURE_NETWORK, NOW);
    assert_false(attempts_forgive_clock(&s, NOW + DAY));
    state_free(&s);
    fails(&s, FIRST, FAILURE_CLOCK, NOW);
    assert_int_equal(s.cas[0].failing_since, 0);
    state_free(&s);
}

static void test_retry_after_of_other_answers(void **state)
{
    (void)state;
    struct state s = {0};
    struct failure fail;
    failure_set(&fail, FAILURE_OVERLOAD, "busy");
    attempts_heed(&s, FIRST, &fail, NOW, 30 * DAY);
    assert_int_equal(attempts_next_try(attempts_find(&s, FIRST), NOW),
                     0); /* it asked for nothing */
    fail.retry_after = 3000;
    attempts_heed(&s, FIRST, &fail, NOW, 30 * DAY);
    const struct ca_record *r = attempts_find(&s, FIRST);
    assert_int_equal(attempts_next_try(r, NOW), NOW + 3000);
    assert_int_equal(r->failures[FAILURE_OVERLOAD], 0);
    assert_int_equal(s.class, FAILURE_NONE);
    fail.retry_after = 60; /* less than what holds already */
    attempts_heed(&s, FIRST, &fail, NOW + 1, 30 * DAY);
    assert_int_equal(attempts_next_try(r, NOW + 1), NOW + 3000);
    fail.retry_after = 90 * DAY; /* within reason */
    attempts_heed(&s, FIRST, &fail, NOW, 80 * HOUR);
    assert_int_equal(attempts_next_try(r, NOW), NOW + 4 * HOUR);
    state_free(&s);
}

static void test_room(void **state)
{
    (void)state;
    struct state s = {0};
    for (int i = 0; i < 4; i++)
        attempts_issued(&s, FIRST, NAME, NOW + i * 3600);
    const struct ca_record *r = attempts_find(&s, FIRST);
    assert_int_equal(attempts_room(r, NAME, 90 * DAY, NOW + 4 * 3600), 0);
    attempts_issued(&s, FIRST, NAME, NOW + 4 * 3600);
    /* One comes back in 33.6 hours, all five in seven days. */
    time_t one = NOW + 7 * DAY / 5 + 600;
    assert_int_equal(attempts_room(r, NAME, 90 * DAY, NOW + 5 * 3600), one);
    assert_int_equal(attempts_room(r, NAME, 160 * HOUR, NOW + 5 * 3600), one);
    assert_int_equal(attempts_room(r, NAME, 90 * DAY, one), 0);
    attempts_issued(&s, FIRST, NAME, one);
    assert_int_equal(attempts_room(r, NAME, 90 * DAY, one), NOW + 2 * 7 * DAY / 5 + 600);
    /* Its clock may be ten minutes behind ours. */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(attempts_room(r, NAME, 90 * DAY, NOW + 14 * DAY + i * 600), 0);
        attempts_issued(&s, FIRST, NAME, NOW + 14 * DAY + i * 600);
    }
    assert_int_equal(attempts_room(r, NAME, 90 * DAY, NOW + 15 * DAY),
                     NOW + 14 * DAY + 7 * DAY / 5 + 600);
    /* A private CA whose certificates live for a day renews them daily. */
    assert_int_equal(attempts_room(r, NAME, DAY, NOW + 5 * 3600), 0);
    /* Times of a clock that was wrong. */
    assert_int_equal(attempts_room(r, NAME, 90 * DAY, NOW - DAY), 0);
    attempts_issued(&s, FIRST, NAME, NOW - DAY);
    assert_int_equal(r->issued[0].whole_at, NOW - DAY + 7 * DAY / 5);
    assert_int_equal(attempts_room(NULL, NAME, 90 * DAY, NOW), 0);
    state_free(&s);
}

/* A private CA gives as many as are asked for: that is no reason to wait for weeks afterwards. */
static void test_room_of_a_ca_without_limit(void **state)
{
    (void)state;
    struct state s = {0};
    for (int i = 0; i < 20; i++)
        attempts_issued(&s, FIRST, NAME, NOW);
    struct ca_record *r = attempts_of(&s, FIRST);
    assert_int_equal(attempts_room(r, NAME, 7 * DAY, NOW), NOW + 7 * DAY / 5 + 600);
    assert_int_equal(r->issued[0].whole_at, NOW + 7 * DAY);
    /* As an earlier version has noted it. */
    r->issued[0].whole_at = NOW + 28 * DAY;
    assert_int_equal(attempts_room(r, NAME, 7 * DAY, NOW), NOW + 7 * DAY / 5 + 600);
    state_free(&s);
}

/* The limit is about the exact set of names. */
static void test_room_of_another_name(void **state)
{
    (void)state;
    struct state s = {0};
    for (int i = 0; i < 5; i++)
        attempts_issued(&s, FIRST, NAME, NOW);
    struct ca_record *r = attempts_of(&s, FIRST);
    assert_true(attempts_room(r, NAME, 90 * DAY, NOW) > NOW);
    assert_int_equal(attempts_room(r, "derp2.demo.com", 90 * DAY, NOW), 0);
    attempts_issued(&s, FIRST, "derp2.demo.com", NOW + 1);
    assert_int_equal(attempts_room(r, "derp2.demo.com", 90 * DAY, NOW + 1), 0);
    assert_true(attempts_room(r, NAME, 90 * DAY, NOW + 1) > NOW); /* back again: it still counts */
    /* The one that was used least recently is forgotten. */
    attempts_issued(&s, FIRST, "derp3.demo.com", NOW + 2);
    attempts_issued(&s, FIRST, "derp4.demo.com", NOW + 3);
    assert_int_equal(attempts_room(r, NAME, 90 * DAY, NOW + 3), 0);
    /* Of earlier versions, which did not tell names: it counts for each. */
    state_free(&s);
    r = attempts_of(&s, FIRST);
    r->issued[0] = (struct issued){.at = NOW, .whole_at = NOW + 7 * DAY};
    assert_true(attempts_room(r, "derp4.demo.com", 90 * DAY, NOW) > NOW);
    attempts_issued(&s, FIRST, NAME, NOW);
    assert_string_equal(r->issued[0].name, NAME);
    assert_int_equal(r->issued[0].whole_at, NOW + 7 * DAY); /* it cannot be emptier */
    state_free(&s);
}

static void test_where_it_fails(void **state)
{
    (void)state;
    struct state s = {0};
    fails(&s, FIRST, FAILURE_NETWORK, NOW);
    assert_string_equal(s.failed_ca, FIRST);
    fails(&s, SECOND, FAILURE_NETWORK, NOW);
    assert_string_equal(s.failed_ca, SECOND);
    state_free(&s);
}

/* Crashes go on at once, three times; then ever later, and a person need not wait. */
static void test_attempts_without_end(void **state)
{
    (void)state;
    struct state s = {0};
    struct failure fail = {.class = FAILURE_NETWORK};
    time_t now = NOW;
    for (int i = 0; i < 3; i++)
        assert_true(attempts_begin(&s, true, now += 60));
    for (int i = 3; i < 9; i++) {
        int64_t wait = i < 6 ? 60 << i : 3600;
        assert_false(attempts_begin(&s, true, now + wait - 1));
        assert_true(attempts_begin(&s, true, now += wait));
    }
    assert_false(attempts_begin(&s, true, now + 60));
    assert_true(attempts_begin(&s, false, now + 60));
    assert_true(attempts_begin(&s, true, NOW)); /* a clock that went back */
    attempts_failed(&s, FIRST, &fail, now, 0, 0);
    assert_true(attempts_begin(&s, true, now));
    attempts_succeeded(&s, FIRST);
    assert_int_equal(s.unfinished, 0);
    state_free(&s);
}

static void test_curable(void **state)
{
    (void)state;
    struct ca_record r = {.failures = {[FAILURE_NETWORK] = 1,
                                       [FAILURE_PAUSED] = 2,
                                       [FAILURE_LOCAL] = 10,
                                       [FAILURE_PREFLIGHT] = 10,
                                       [FAILURE_CLOCK] = 10,
                                       [FAILURE_REACHABILITY] = 4}};
    assert_int_equal(attempts_curable(&r, false), 3);
    assert_int_equal(attempts_curable(&r, true), 17);
    assert_int_equal(attempts_curable(NULL, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_class_has_its_own_schedule),
        cmocka_unit_test(test_each_ca_has_its_own_record),
        cmocka_unit_test(test_the_place_of_the_oldest_is_taken),
        cmocka_unit_test(test_next_try_of_a_wrong_clock),
        cmocka_unit_test(test_a_jump_costs_one_try),
        cmocka_unit_test(test_a_wrong_clock_is_forgiven),
        cmocka_unit_test(test_retry_after_of_other_answers),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_room_of_a_ca_without_limit),
        cmocka_unit_test(test_room_of_another_name),
        cmocka_unit_test(test_attempts_without_end),
        cmocka_unit_test(test_where_it_fails),
        cmocka_unit_test(test_curable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
