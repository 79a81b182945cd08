/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/registry.c"

#include "tests/unit/unit.h"

static bool always(void *arg, handle_t h)
{
    (void)arg;
    (void)h;
    return true;
}

static struct registry_member member(uint8_t key, uint32_t slot)
{
    struct registry_member m = {.handle = handle_make(0, slot, 1)};

    memset(m.key.bytes, key, KEY_LEN);
    return m;
}

static int set_up(void **state)
{
    assert_true(sodium_init() >= 0);
    *state = registry_new(always, NULL);
    return 0;
}

static int tear_down(void **state)
{
    registry_free(*state);
    return 0;
}

static handle_t route(struct registry *r, struct registry_member *from, struct registry_member *to)
{
    uint64_t version;

    return registry_route(r, from, &to->key, &version);
}

static void leave(struct registry *r, struct registry_member *m, size_t audience)
{
    struct handle_set heard;

    registry_remove(r, m, &heard);
    assert_int_equal(heard.count, audience);
    handle_set_free(&heard);
}

static void test_route_and_audience(void **state)
{
    struct registry_member a = member(1, 1), b = member(2, 2), c = member(3, 3);

    registry_add(*state, &a);
    registry_add(*state, &b);
    registry_add(*state, &c);
    assert_int_equal(route(*state, &a, &b), b.handle);
    assert_int_equal(route(*state, &a, &b), b.handle);
    assert_int_equal(route(*state, &a, &c), c.handle);
    leave(*state, &b, 0); /* b has sent nothing */
    assert_int_equal(route(*state, &a, &b), 0);
    leave(*state, &a, 2); /* b's old handle and c's */
    leave(*state, &c, 0);
}

static void test_version_tells_of_changes(void **state)
{
    struct registry_member a = member(1, 1), b = member(2, 2), again = member(2, 3);
    uint64_t first, version;

    registry_add(*state, &a);
    assert_int_equal(registry_route(*state, &a, &b.key, &first), 0);
    registry_add(*state, &b);
    assert_true(registry_version(*state, &b.key) != first);
    assert_int_equal(registry_route(*state, &a, &b.key, &version), b.handle);
    assert_int_equal(registry_version(*state, &b.key), version);
    registry_add(*state, &again);
    assert_true(registry_version(*state, &b.key) != version);
    registry_remove(*state, &again, &(struct handle_set){0});
    registry_route(*state, &a, &b.key, &version);
    leave(*state, &b, 0);
    assert_true(registry_version(*state, &b.key) != version);
    leave(*state, &a, 1); /* never routed to `again` */
}

/* derper: the newest is active, a writer becomes active, the last other writer takes over. */
static void test_duplicates(void **state)
{
    struct registry_member a = member(1, 1), x = member(2, 2), y = member(2, 3), z = member(2, 4);
    uint64_t keys, contested;

    registry_add(*state, &a);
    registry_add(*state, &x);
    assert_false(x.contested);
    registry_add(*state, &y);
    assert_true(x.contested && y.contested);
    assert_int_equal(route(*state, &a, &x), y.handle);
    registry_wrote(*state, &x);
    assert_int_equal(route(*state, &a, &x), x.handle);
    registry_add(*state, &z);
    assert_int_equal(route(*state, &a, &x), z.handle);
    registry_count(*state, &keys, &contested);
    assert_int_equal(keys, 2);
    assert_int_equal(contested, 1);
    leave(*state, &z, 0);
    assert_int_equal(route(*state, &a, &x), x.handle); /* wrote after y came */
    leave(*state, &x, 0);
    assert_int_equal(route(*state, &a, &x), y.handle);
    assert_false(y.contested);
    leave(*state, &y, 0);
    leave(*state, &a, 3);
}

/* The audience belongs to the key, not to the connection that spoke. */
static void test_last_one_tells(void **state)
{
    struct registry_member a = member(1, 1), x = member(2, 2), y = member(2, 3);

    registry_add(*state, &a);
    registry_add(*state, &x);
    registry_add(*state, &y);
    route(*state, &x, &a);
    leave(*state, &x, 0);
    leave(*state, &y, 1);
    leave(*state, &a, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_route_and_audience, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_version_tells_of_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_duplicates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_last_one_tells, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
