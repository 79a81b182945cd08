/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/admission_cache.c"

#include "tests/unit/unit.h"

#define NOW 1000000

static struct admission_cache *cache;
static struct node_key key = {{[0] = 1, [8] = 7}}, other = {{[0] = 2, [8] = 7}};
static struct endpoint home, away;

static int make(void **state)
{
    (void)state;
    cache = admission_cache_new();
    endpoint_parse_ip("192.0.2.1", &home);
    endpoint_parse_ip("192.0.2.2", &away);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    admission_cache_free(cache);
    return 0;
}

static void put(enum admission_verdict v)
{
    admission_cache_put(cache, &key, &home, v, "why", NOW);
}

static void test_yes_is_kept_longer_than_no(void **state)
{
    (void)state;
    assert_null(admission_cache_find(cache, &key, &home, NOW));
    put(ADMISSION_ADMIT);
    assert_int_equal(admission_cache_find(cache, &key, &home, NOW + 29999)->verdict,
                     ADMISSION_ADMIT);
    assert_null(admission_cache_find(cache, &key, &home, NOW + 30000));
    put(ADMISSION_REFUSE);
    assert_int_equal(admission_cache_find(cache, &key, &home, NOW + 2999)->verdict,
                     ADMISSION_REFUSE);
    assert_string_equal(admission_cache_find(cache, &key, &home, NOW)->reason, "why");
    assert_null(admission_cache_find(cache, &key, &home, NOW + 3000));
}

static void test_what_was_not_said_is_not_kept(void **state)
{
    (void)state;
    put(ADMISSION_UNSURE);
    put(ADMISSION_BAD_ANSWER);
    assert_null(admission_cache_find(cache, &key, &home, NOW));
}

static void test_only_for_this_key_and_address(void **state)
{
    (void)state;
    put(ADMISSION_ADMIT);
    endpoint_set_port(&home, 4711);
    assert_non_null(admission_cache_find(cache, &key, &home, NOW));
    assert_null(admission_cache_find(cache, &key, &away, NOW));
    assert_null(admission_cache_find(cache, &other, &home, NOW));
    /* the other key has the same place */
    admission_cache_put(cache, &other, &home, ADMISSION_ADMIT, "", NOW);
    assert_null(admission_cache_find(cache, &key, &home, NOW));
    admission_cache_clear(cache);
    assert_null(admission_cache_find(cache, &other, &home, NOW));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_yes_is_kept_longer_than_no, make, forget),
        cmocka_unit_test_setup_teardown(test_what_was_not_said_is_not_kept, make, forget),
        cmocka_unit_test_setup_teardown(test_only_for_this_key_and_address, make, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
