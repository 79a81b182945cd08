/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/handle.c"

#include "tests/unit/unit.h"

static void test_parts_come_back(void **state)
{
    (void)state;
    handle_t h = handle_make(254, HANDLE_SLOTS_MAX - 1, 0xfffffffe);

    assert_int_equal(handle_worker(h), 254);
    assert_int_equal(handle_slot(h), HANDLE_SLOTS_MAX - 1);
    assert_int_equal(handle_generation(h), 0xfffffffe);
    assert_true(handle_make(0, 0, 1) != 0);
}

static void test_set_holds_each_once(void **state)
{
    (void)state;
    struct handle_set s = {0};

    assert_false(handle_set_has(&s, 1));
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 1; i <= 1000; i++)
            handle_set_add(&s, handle_make(i % 3, i, 1), NULL, NULL);
    assert_int_equal(s.count, 1000);
    for (uint32_t i = 1; i <= 1000; i++)
        assert_true(handle_set_has(&s, handle_make(i % 3, i, 1)));
    assert_false(handle_set_has(&s, handle_make(0, 1001, 1)));
    assert_false(handle_set_has(&s, handle_make(1, 1, 2)));
    handle_set_free(&s);
    assert_int_equal(s.capacity, 0);
}

/* Handles that want the same place stand behind each other. */
static void test_set_holds_what_collides(void **state)
{
    (void)state;
    struct handle_set s = {0};
    handle_t same[4], other = 0;
    size_t n = 0;

    handle_set_add(&s, handle_make(0, 1, 1), NULL, NULL);
    for (uint32_t i = 2; n < 4 || other == 0; i++) {
        handle_t h = handle_make(0, i, 1);
        if (first_place(&s, h) == first_place(&s, handle_make(0, 1, 1)) && n < 4)
            same[n++] = h;
        else if (n == 4)
            other = h;
    }
    handle_set_add(&s, other, NULL, NULL);
    for (size_t i = 0; i < 3; i++)
        handle_set_add(&s, same[i], NULL, NULL);
    assert_int_equal(s.capacity, START_CAPACITY);
    assert_int_equal(s.count, 5);
    assert_true(handle_set_has(&s, other));
    for (size_t i = 0; i < 3; i++)
        assert_true(handle_set_has(&s, same[i]));
    assert_false(handle_set_has(&s, same[3]));
    handle_set_free(&s);
}

/* Only the newest hundred live. */
static bool lives(void *arg, handle_t h)
{
    const uint32_t *newest = arg;

    return handle_slot(h) + 100 > *newest;
}

static void test_set_follows_the_living(void **state)
{
    (void)state;
    struct handle_set s = {0};

    for (uint32_t i = 1; i <= 100000; i++)
        handle_set_add(&s, handle_make(0, i, 1), lives, &i);
    assert_true(s.capacity <= 1024);
    for (uint32_t i = 100000 - 99; i <= 100000; i++)
        assert_true(handle_set_has(&s, handle_make(0, i, 1)));
    handle_set_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_come_back),
        cmocka_unit_test(test_set_holds_each_once),
        cmocka_unit_test(test_set_holds_what_collides),
        cmocka_unit_test(test_set_follows_the_living),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
