/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/registry.c"

#include <sodium.h>

#include "tests/unit/unit.h"

static bool always(void *arg, handle_t h)
{
    (void)arg;
    (void)h;
    return true;
}

/* What watchers were told, newest last: the key's byte, negative when gone. */
static int told[32];
static size_t told_count;
static handle_t told_watcher;

static void tell(void *arg, handle_t watcher, const struct registry_member *m, bool present)
{
    (void)arg;
    told_watcher = watcher;
    told[told_count++] = present ? m->key.bytes[0] : -m->key.bytes[0];
}

static const struct registry_events events = {.alive = always, .tell = tell};

static struct registry_member member(uint8_t key, uint32_t slot)
{
    struct registry_member m = {.handle = handle_make(0, slot, 1)};

    memset(m.key.bytes, key, KEY_LEN);
    return m;
}

static int set_up(void **state)
{
    assert_true(sodium_init() >= 0);
    told_count = 0;
    *state = registry_new(&events);
    return 0;
}

static int tear_down(void **state)
{
    registry_free(*state);
    return 0;
}

static handle_t route(struct registry *r, struct registry_member *from, struct registry_member *to)
{
    struct registry_route way = registry_route(r, &from->key, &to->key, REGISTRY_REGION);

    assert_false(way.is_forward);
    return way.to;
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
    struct registry_route way;

    registry_add(*state, &a);
    way = registry_route(*state, &a.key, &b.key, REGISTRY_REGION);
    assert_int_equal(way.to, 0);
    registry_add(*state, &b);
    assert_true(registry_version(*state, &b.key) != way.version);
    way = registry_route(*state, &a.key, &b.key, REGISTRY_REGION);
    assert_int_equal(way.to, b.handle);
    assert_int_equal(registry_version(*state, &b.key), way.version);
    registry_add(*state, &again);
    assert_true(registry_version(*state, &b.key) != way.version);
    registry_remove(*state, &again, &(struct handle_set){0});
    way = registry_route(*state, &a.key, &b.key, REGISTRY_REGION);
    leave(*state, &b, 0);
    assert_true(registry_version(*state, &b.key) != way.version);
    leave(*state, &a, 1); /* never routed to `again` */
}

/* derper: the newest is active, a writer becomes active, the last other writer takes over. */
static void test_duplicates(void **state)
{
    struct registry_member a = member(1, 1), x = member(2, 2), y = member(2, 3), z = member(2, 4);
    struct registry_counts n;

    registry_add(*state, &a);
    registry_add(*state, &x);
    assert_false(x.contested);
    registry_add(*state, &y);
    assert_true(x.contested && y.contested);
    assert_int_equal(route(*state, &a, &x), y.handle);
    registry_wrote(*state, &x, 0);
    assert_int_equal(route(*state, &a, &x), x.handle);
    registry_add(*state, &z);
    assert_int_equal(route(*state, &a, &x), z.handle);
    registry_count(*state, &n);
    assert_int_equal(n.keys, 2);
    assert_int_equal(n.contested, 1);
    leave(*state, &z, 0);
    assert_int_equal(route(*state, &a, &x), x.handle); /* wrote after y came */
    leave(*state, &x, 0);
    assert_int_equal(route(*state, &a, &x), y.handle);
    assert_false(y.contested);
    leave(*state, &y, 0);
    leave(*state, &a, 3);
}

static void test_fights(void **state)
{
    struct registry_member x = member(2, 2), y = member(2, 3);
    int64_t now = 1000000;

    registry_add(*state, &x);
    registry_add(*state, &y);
    for (int i = 0; i < 50; i++) /* a moment of it is no fight */
        assert_false(registry_wrote(*state, i % 2 ? &y : &x, now + i * 199));
    now += 60001; /* nor is it when they write seldom */
    for (int i = 0; i < 20; i++)
        assert_false(registry_wrote(*state, i % 2 ? &y : &x, now + i * 12001));
    now += 20 * 12001 + 60001;
    for (int i = 0; i < 5; i++)
        assert_false(registry_wrote(*state, i % 2 ? &y : &x, now + i * 3000));
    assert_false(registry_wrote(*state, &x, now + 13000)); /* is active already */
    assert_true(registry_wrote(*state, &y, now + 14000));
    assert_true(registry_wrote(*state, &y, now + 14000));
    assert_true(registry_wrote(*state, &x, now + 900000)); /* as long as both are here */
    leave(*state, &y, 0);
    registry_add(*state, &y);
    assert_false(registry_wrote(*state, &x, now + 900001));
    leave(*state, &x, 0);
    leave(*state, &y, 0);
}

/* Of several that are left, the one that wrote last follows, wherever it stands in the list. */
static void test_fallback_is_the_last_writer(void **state)
{
    struct registry_member a = member(1, 1), x = member(2, 2), y = member(2, 3), z = member(2, 4);
    uint64_t version;

    registry_add(*state, &a);
    registry_add(*state, &x);
    registry_add(*state, &y);
    registry_add(*state, &z);
    registry_wrote(*state, &y, 0);
    registry_wrote(*state, &x, 0);
    version = registry_version(*state, &x.key);
    registry_wrote(*state, &x, 0); /* is it already: nothing changes */
    assert_int_equal(registry_version(*state, &x.key), version);
    leave(*state, &x, 0); /* z stands in its place now, before y */
    assert_int_equal(route(*state, &a, &x), y.handle);
    leave(*state, &z, 0); /* one that is not active changes nothing */
    assert_int_equal(route(*state, &a, &x), y.handle);
    leave(*state, &y, 0);
    leave(*state, &a, 1);
}

static void test_what_is_left_goes_with_the_registry(void **state)
{
    struct registry_member a = member(1, 1), b = member(2, 2);

    registry_add(*state, &a);
    registry_add(*state, &b);
    assert_int_equal(route(*state, &b, &a), a.handle);
    registry_forwarder_add(*state, &(struct node_key){{3}}, 7);
    registry_free(NULL);
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

/* --- Other nodes ---------------------------------------------------------------------------- */

static handle_t link_to(uint32_t node)
{
    return handle_make(1, node, 1);
}

static struct registry_route way(struct registry *r, const struct registry_member *from,
                                 const struct registry_member *to)
{
    return registry_route(r, &from->key, &to->key, REGISTRY_REGION);
}

static size_t lose(struct registry *r, const struct registry_member *m, handle_t node)
{
    struct handle_set heard;
    size_t count;

    registry_forwarder_remove(r, &m->key, node, &heard);
    count = heard.count;
    handle_set_free(&heard);
    return count;
}

static void test_local_before_forwarder(void **state)
{
    struct registry_member a = member(1, 1), b = member(2, 2);
    struct registry_counts n;

    registry_add(*state, &a);
    registry_forwarder_add(*state, &b.key, link_to(1));
    assert_true(way(*state, &a, &b).is_forward);
    assert_int_equal(way(*state, &a, &b).to, link_to(1));
    registry_count(*state, &n);
    assert_int_equal(n.keys, 1);
    assert_int_equal(n.remote, 1);
    registry_add(*state, &b);
    assert_false(way(*state, &a, &b).is_forward);
    assert_int_equal(way(*state, &a, &b).to, b.handle);
    registry_count(*state, &n);
    assert_int_equal(n.remote, 0);
    leave(*state, &b, 0); /* it is still elsewhere */
    assert_int_equal(way(*state, &a, &b).to, link_to(1));
    assert_int_equal(lose(*state, &b, link_to(1)), 0);
    assert_int_equal(way(*state, &a, &b).to, 0);
    leave(*state, &a, 1);
}

static void test_oldest_forwarder_first(void **state)
{
    struct registry_member a = member(1, 1), b = member(2, 2);

    registry_add(*state, &a);
    for (uint32_t node = 1; node <= 3; node++)
        registry_forwarder_add(*state, &b.key, link_to(node));
    registry_forwarder_add(*state, &b.key, link_to(1)); /* told again */
    assert_int_equal(way(*state, &a, &b).to, link_to(1));
    lose(*state, &b, link_to(1));
    assert_int_equal(way(*state, &a, &b).to, link_to(2));
    registry_forwarder_add(*state, &b.key, link_to(1)); /* back, as the newest */
    lose(*state, &b, link_to(9));                       /* never had it */
    lose(*state, &b, link_to(2));
    assert_int_equal(way(*state, &a, &b).to, link_to(3));
    lose(*state, &b, link_to(3));
    assert_int_equal(way(*state, &a, &b).to, link_to(1));
    lose(*state, &b, link_to(1));
    assert_int_equal(way(*state, &a, &b).to, 0);
    assert_int_equal(lose(*state, &b, link_to(1)), 0);
    leave(*state, &a, 0);
}

static void test_forwarded_once(void **state)
{
    struct registry_member a = member(1, 1), b = member(2, 2);

    registry_forwarder_add(*state, &b.key, link_to(1));
    assert_int_equal(registry_route(*state, &a.key, &b.key, REGISTRY_LOCAL).to, 0);
    lose(*state, &b, link_to(1));
}

/* Packets of a key of another node have an audience here, whether its node was heard first or not.
 */
static void test_audience_of_a_remote_key(void **state)
{
    struct registry_member a = member(1, 1), far = member(2, 2);
    struct registry_counts n;

    registry_add(*state, &a);
    assert_int_equal(registry_route(*state, &far.key, &a.key, REGISTRY_LOCAL).to, a.handle);
    registry_count(*state, &n);
    assert_int_equal(n.remote, 0); /* a ghost is nowhere */
    assert_int_equal(way(*state, &a, &far).to, 0);
    registry_forwarder_add(*state, &far.key, link_to(1));
    registry_forwarder_add(*state, &far.key, link_to(2));
    assert_int_equal(lose(*state, &far, link_to(1)), 0);
    assert_int_equal(lose(*state, &far, link_to(2)), 1);
    leave(*state, &a, 0);
}

static void test_ghosts_are_bounded(void **state)
{
    struct registry *r = *state;
    struct registry_member a = member(1, 1);
    struct registry_member far = member(2, 2);

    registry_add(r, &a);
    for (uint32_t i = 0; i < 3 * GHOSTS_MAX; i++) {
        struct node_key ghost = {{0}}; /* all in one shard */

        memcpy(ghost.bytes, &i, sizeof i);
        registry_route(r, &ghost, &a.key, REGISTRY_LOCAL);
        assert_true(shard_of(r, &ghost)->ghosts <= GHOSTS_MAX);
        assert_true(HASH_COUNT(shard_of(r, &ghost)->entries) <= GHOSTS_MAX + 1);
    }
    registry_route(r, &far.key, &a.key, REGISTRY_LOCAL); /* a ghost that comes to life */
    registry_add(r, &far);
    assert_int_equal(shard_of(r, &far.key)->ghosts, 0);
    leave(r, &far, 1);
    leave(r, &a, 0);
}

static size_t here_count;

static void here(void *arg, const struct registry_member *m)
{
    (void)arg;
    (void)m;
    here_count++;
}

static void test_watchers(void **state)
{
    struct registry_member a = member(1, 1), b = member(2, 2), again = member(2, 3);
    struct registry_member far = member(3, 4);

    registry_add(*state, &a);
    registry_add(*state, &b);
    registry_forwarder_add(*state, &far.key, link_to(1)); /* not ours to tell */
    registry_watch(*state, 77, here, NULL);
    assert_int_equal(here_count, 2);
    assert_int_equal(told_count, 0);
    registry_add(*state, &again);
    registry_remove(*state, &b, &(struct handle_set){0}); /* not the last one */
    leave(*state, &again, 0);
    lose(*state, &far, link_to(1));
    assert_int_equal(told_count, 2);
    assert_int_equal(told[0], 2);
    assert_int_equal(told[1], -2);
    assert_int_equal(told_watcher, 77);
    registry_unwatch(*state, 77);
    leave(*state, &a, 0);
    assert_int_equal(told_count, 2);
}

static void test_connections_of_a_key(void **state)
{
    struct registry_member x = member(2, 2), y = member(2, 3);
    handle_t list[2] = {0};

    assert_int_equal(registry_connections(*state, &x.key, list, 2), 0);
    registry_add(*state, &x);
    registry_add(*state, &y);
    assert_int_equal(registry_connections(*state, &x.key, list, 1), 2);
    assert_int_equal(list[1], 0);
    assert_int_equal(registry_connections(*state, &x.key, list, 2), 2);
    assert_int_equal(list[0] + list[1], x.handle + y.handle);
    leave(*state, &x, 0);
    leave(*state, &y, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_route_and_audience, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_version_tells_of_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_duplicates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fallback_is_the_last_writer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fights, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_left_goes_with_the_registry, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_last_one_tells, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_local_before_forwarder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_oldest_forwarder_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forwarded_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_audience_of_a_remote_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ghosts_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watchers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_connections_of_a_key, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
