/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/ops/certificate.c"

#include "tests/unit/unit.h"

/* The relay, as far as the watch calls it. */
static unsigned given;
static bool refuses, ready;

void relay_set_challenges(struct relay *r, const char *folder)
{
    (void)r;
    (void)folder;
}

bool relay_set_identity(struct relay *r, const struct identity *id,
                        const struct tls_server_options *opt, struct fault *f)
{
    (void)r;
    (void)id;
    (void)opt;
    if (refuses)
        return fault_set(f, "not now");
    given++;
    return true;
}

void relay_set_ready(struct relay *r, bool is_ready)
{
    (void)r;
    ready = is_ready;
}

struct fixture {
    char dir[64];
    struct config config;
    struct loop *loop;
    struct certificate_watch *watch;
};

static void save(struct fixture *x, int days)
{
    struct fault f;
    struct identity *id = identity_self_signed("derp.test", days, &f);

    assert_true(identity_save(id, x->config.chain, x->config.key, &f));
    identity_free(id);
}

static int set_up(void **state)
{
    struct fixture *x = calloc(1, sizeof *x);
    struct node_key key = {{1}};
    struct fault f;

    unit_dir(x->dir);
    config_init(&x->config);
    x->config.source = CONFIG_SOURCE_FILES;
    x->config.domain = mem_strdup("derp.test");
    x->config.chain = file_join(x->dir, "chain.pem");
    x->config.key = file_join(x->dir, "key.pem");
    save(x, 10);
    x->loop = loop_new();
    given = 0;
    refuses = false;
    x->watch = certificate_watch_new(&x->config, NULL, &key, x->loop, &f);
    assert_non_null(x->watch);
    *state = x;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;

    certificate_watch_free(x->watch);
    loop_free(x->loop);
    config_free(&x->config);
    unit_dir_remove(x->dir);
    free(x);
    return 0;
}

static void look_often(struct fixture *x)
{
    for (int i = 0; i < 10; i++)
        on_look(x->watch);
}

static void test_looking_changes_nothing(void **state)
{
    struct fixture *x = *state;

    look_often(x);
    assert_int_equal(given, 1);
    assert_int_equal(x->watch->status.reloads, 1);
    assert_true(ready);
}

/* A read that fails need not be the pair's fault, and nobody touches the files afterwards. */
static void test_refused_pair_is_read_again(void **state)
{
    struct fixture *x = *state;

    refuses = true;
    save(x, 20);
    look_often(x);
    assert_int_equal(x->watch->status.refused, 1);
    for (int i = 0; i < 3; i++) { /* a minute later, and again: said once */
        assert_true(x->watch->again_ms > clock_mono_ms());
        x->watch->again_ms = clock_mono_ms();
        look_often(x);
    }
    assert_int_equal(x->watch->status.refused, 1);
    assert_int_equal(given, 1);
    refuses = false;
    x->watch->again_ms = clock_mono_ms();
    look_often(x);
    assert_int_equal(given, 2);
    assert_int_equal(x->watch->status.reloads, 2);
    assert_int_equal(x->watch->again_ms, 0);
    assert_string_equal(x->watch->status.problem, "");
}

/* derp-acme orders with a clock that is an hour behind, and not each CA backdates what it issues.
 */
static void test_certificate_that_begins_soon_is_good(void **state)
{
    struct fixture *x = *state;

    x->watch->status.info.not_before = clock_wall() + 3600;
    judge(x->watch);
    assert_true(ready);
    x->watch->status.info.not_before = clock_wall() + 2 * 3600;
    judge(x->watch);
    assert_false(ready);
}

/* A relay without a domain that has moved to another address. */
static void test_its_own_certificate_follows_its_name(void **state)
{
    struct fixture *x = *state;
    struct certificate_watch w = {.config = &x->config,
                                  .pair = {.chain = x->config.chain, .key = x->config.key}};

    x->config.source = CONFIG_SOURCE_SELF_SIGNED;
    assert_false(fits_no_more(&w));
    free(x->config.domain);
    x->config.domain = mem_strdup("203.0.113.7");
    assert_true(fits_no_more(&w));
    x->config.source = CONFIG_SOURCE_FILES; /* not ours to make */
    assert_false(fits_no_more(&w));
}

static void test_new_pair_is_taken_when_it_stands_still(void **state)
{
    struct fixture *x = *state;

    save(x, 20);
    on_look(x->watch);
    assert_int_equal(given, 1);
    look_often(x);
    assert_int_equal(given, 2);
    assert_int_equal(x->watch->status.reloads, 2);
}

/* Also when the files have gone: once, and not as a refusal at each look. */
static void test_meta_is_renewed_without_the_files(void **state)
{
    struct fixture *x = *state;
    struct fault f;

    assert_true(file_remove(x->config.chain, &f) && file_remove(x->config.key, &f));
    look_often(x);
    assert_int_equal(x->watch->status.refused, 1);
    assert_string_not_equal(x->watch->status.problem, "");
    x->watch->meta_due = clock_wall();
    look_often(x);
    assert_int_equal(given, 2);
    assert_int_equal(x->watch->status.refused, 1);
    assert_string_not_equal(x->watch->status.problem, "");
    assert_true(ready);
}

static void test_meta_that_cannot_be_renewed_is_tried_again_later(void **state)
{
    struct fixture *x = *state;
    time_t due;

    refuses = true;
    x->watch->meta_due = clock_wall();
    look_often(x);
    due = x->watch->meta_due;
    assert_true(due > clock_wall() + META_RETRY_S / 2);
    assert_int_equal(given, 1);
    refuses = false;
    x->watch->meta_due = clock_wall();
    look_often(x);
    assert_int_equal(given, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_looking_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_its_own_certificate_follows_its_name, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_new_pair_is_taken_when_it_stands_still, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_refused_pair_is_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_certificate_that_begins_soon_is_good, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_meta_is_renewed_without_the_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_meta_that_cannot_be_renewed_is_tried_again_later,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
