/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/generation.c"
#include "acme/store.h"

#include <sys/resource.h>

#include "base/clock.h"
#include "tests/unit/acme_pki.h"
#include "tests/unit/acme_place.h"

#define NAME "derp.demo.com"
#define DAY  86400

static mode_t mode_of(const struct place *p, const char *name)
{
    struct stat st;
    char *path = store_path(&p->store, name);
    assert_int_equal(stat(path, &st), 0);
    free(path);
    return st.st_mode & 07777;
}

static bool exists(const struct place *p, const char *name)
{
    char *path = store_path(&p->store, name);
    bool is = file_exists(path);
    free(path);
    return is;
}

static void put_text(const struct place *p, const char *name, const char *text)
{
    struct fault f;
    char *path = store_path(&p->store, name);
    assert_true(file_write(path, text, strlen(text), 0600, &f));
    free(path);
}

/* --- Store ------------------------------------------------------------------------------------ */

static void test_folders_and_lock(void **state)
{
    struct place *p = *state;
    struct store second;
    struct fault f;
    bool busy;
    assert_int_equal(mode_of(p, "."), 0750);
    assert_int_equal(mode_of(p, "account"), 0700);
    assert_int_equal(mode_of(p, "pending"), 0700);
    assert_int_equal(mode_of(p, "challenge"), 0750);
    assert_false(store_open(&second, p->dir, &busy, &f));
    assert_true(busy);
    store_close(&second);
    store_close(&p->store);
    assert_true(store_open(&p->store, p->dir, &busy, &f)); /* again, with the folders there */
}

/* The package's setgid bit on the upper folder must come down to new folders by itself. */
static void test_setgid_comes_down(void **state)
{
    struct place *p = *state;
    struct fault f;
    struct buf b;
    unsigned n;
    if (chmod(p->dir, 02750) < 0 || mode_of(p, ".") != 02750)
        skip();
    buf_init(&b, 100);
    buf_puts(&b, "x");
    assert_true(generation_create(&p->store, &b, &b, &n, &f));
    assert_int_equal(mode_of(p, "gen-1"), 02750);
    assert_int_equal(mode_of(p, "gen-1/privkey.pem"), 0640);
    buf_free(&b);
}

static void test_crash_leftovers_are_swept(void **state)
{
    struct place *p = *state;
    struct fault f;
    bool busy;
    put_text(p, ".order.json.0123456789abcdef", "x");
    put_text(p, "account/.account.key.0123456789abcdef", "x");
    put_text(p, ".keep", "x");
    store_close(&p->store);
    assert_true(store_open(&p->store, p->dir, &busy, &f));
    assert_false(exists(p, ".order.json.0123456789abcdef"));
    assert_false(exists(p, "account/.account.key.0123456789abcdef"));
    assert_true(exists(p, ".keep"));
}

static void test_state(void **state)
{
    struct place *p = *state;
    struct fault f;
    struct state s;
    assert_true(store_load_state(&p->store, &s, &f)); /* none yet */
    assert_int_equal(s.phase, PHASE_IDLE);
    s.failures = 5;
    assert_true(store_save_state(&p->store, &s, &f));
    state_free(&s);
    assert_true(store_load_state(&p->store, &s, &f));
    assert_int_equal(s.failures, 5);
    state_free(&s);

    /* A damaged one: its copy counts; without a good one there is none. */
    put_text(p, "order.json", "{ half a st");
    assert_true(store_load_state(&p->store, &s, &f));
    assert_int_equal(s.failures, 5);
    assert_true(exists(p, "order.json.bad"));
    state_free(&s);
    assert_true(store_load_state(&p->store, &s, &f)); /* the run was killed, or the disk is full */
    assert_int_equal(s.failures, 5);
    state_free(&s);
    char *large = calloc(1, STATE_BYTES_MAX + 2); /* more than is ever written */
    memset(large, ' ', STATE_BYTES_MAX + 1);
    put_text(p, "order.json", large);
    free(large);
    assert_true(store_load_state(&p->store, &s, &f));
    assert_int_equal(s.failures, 5);
    state_free(&s);
    put_text(p, "order.json", "{ half a st");
    put_text(p, "order.json.copy", "{ half");
    assert_true(store_load_state(&p->store, &s, &f));
    assert_int_equal(s.failures, 0);
    state_free(&s);

    put_text(p, "order.json", "{\"schema\":99}");
    assert_false(store_load_state(&p->store, &s, &f));
    assert_non_null(strstr(f.text, "later version"));
    assert_true(exists(p, "order.json"));
}

/* A bad sector, or a file of somebody else's: here a folder, which is not read either. */
static void test_state_that_cannot_be_read(void **state)
{
    struct place *p = *state;
    struct store peek;
    struct fault f;
    struct state s = {.failures = 5};
    char *path = store_path(&p->store, "order.json");
    assert_true(store_save_state(&p->store, &s, &f));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0750), 0);
    store_peek(&peek, p->dir);
    assert_false(store_load_state(&peek, &s, &f)); /* who only looks may lack the right to */
    store_close(&peek);
    for (int i = 0; i < 2; i++) { /* at once, and in the next run */
        assert_true(store_load_state(&p->store, &s, &f));
        assert_int_equal(s.failures, 5);
        state_free(&s);
    }
    assert_true(exists(p, "order.json.bad"));
    /* A descriptor too few is no damage. */
    struct rlimit before, none = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool read = store_load_state(&p->store, &s, &f);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(read);
    assert_true(store_load_state(&p->store, &s, &f));
    assert_int_equal(s.failures, 5);
    state_free(&s);
    free(path);
}

static void test_pending(void **state)
{
    struct place *p = *state;
    struct fault f;
    struct buf b;
    assert_null(store_pending_key(&p->store, &f));
    EVP_PKEY *one = store_new_pending_key(&p->store, &f);
    EVP_PKEY *two = store_pending_key(&p->store, &f);
    assert_true(key_same(one, two));
    buf_init(&b, 100);
    buf_puts(&b, "chain");
    assert_true(store_save_pending_chain(&p->store, &b, &f));
    buf_free(&b);
    assert_true(store_load_pending_chain(&p->store, &b, &f));
    assert_string_equal(buf_text(&b), "chain");
    buf_free(&b);
    EVP_PKEY_free(one);
    EVP_PKEY_free(two);
    /* A new key does not meet the old chain. */
    one = store_new_pending_key(&p->store, &f);
    assert_false(exists(p, "pending/fullchain.pem"));
    EVP_PKEY_free(one);
    store_clear_pending(&p->store);
    assert_false(exists(p, "pending/privkey.pem"));
}

static void test_challenge(void **state)
{
    struct place *p = *state;
    struct fault f;
    struct buf b;
    buf_init(&b, 100);
    buf_puts(&b, "cert and key");
    assert_true(store_put_challenge(&p->store, "derp.demo.com.pem", &b, &f));
    assert_int_equal(mode_of(p, "challenge/derp.demo.com.pem"), 0640);
    store_clear_challenges(&p->store);
    assert_false(exists(p, "challenge/derp.demo.com.pem"));
    assert_true(exists(p, "challenge"));
    buf_free(&b);
}

/* A generation of a leaf and its CA; signed: by that CA, not by another one of the same name. */
static unsigned make_chain(struct place *p, bool is_signed)
{
    struct fault f;
    struct buf chain, pem;
    unsigned n;
    time_t now = clock_wall();
    struct pki ca = pki_ca(NULL, now - 90 * DAY, now + 90 * DAY);
    struct pki false_ca = {.key = pki_key(), .cert = ca.cert};
    EVP_PKEY *key = pki_key();
    X509 *leaf = pki_cert(is_signed ? &ca : &false_ca, key, NAME, now - DAY, now + DAY);
    buf_init(&chain, CHAIN_BYTES_MAX);
    buf_init(&pem, CHAIN_BYTES_MAX);
    pki_append(&chain, leaf);
    pki_append(&chain, ca.cert);
    assert_true(key_to_pem(key, &pem, &f));
    assert_true(generation_create(&p->store, &chain, &pem, &n, &f));
    buf_free(&chain);
    buf_wipe(&pem);
    X509_free(leaf);
    EVP_PKEY_free(key);
    EVP_PKEY_free(false_ca.key);
    pki_free(&ca);
    return n;
}

static void test_signatures_count(void **state)
{
    struct place *p = *state;
    struct generation g;
    generation_read(&p->store, make_chain(p, true), NAME, &g);
    assert_true(g.usable);
    generation_read(&p->store, make_chain(p, false), NAME, &g);
    assert_false(g.usable);
    assert_int_equal(g.facts.not_after, 0);
    assert_non_null(strstr(g.why.text, "not signed"));
}

/* --- Generations ------------------------------------------------------------------------------ */

static unsigned make(struct place *p, const char *name, time_t until, bool fitting_key)
{
    struct fault f;
    struct buf chain, pem;
    unsigned n;
    EVP_PKEY *key = pki_key(), *other = pki_key();
    X509 *cert = pki_cert(NULL, key, name, clock_wall() - 60 * DAY, until);
    buf_init(&chain, CHAIN_BYTES_MAX);
    buf_init(&pem, CHAIN_BYTES_MAX);
    pki_append(&chain, cert);
    assert_true(key_to_pem(fitting_key ? key : other, &pem, &f));
    assert_true(generation_create(&p->store, &chain, &pem, &n, &f));
    buf_free(&chain);
    buf_wipe(&pem);
    X509_free(cert);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    return n;
}

static void test_generations(void **state)
{
    struct place *p = *state;
    struct fault f;
    struct generation g;
    time_t later = clock_wall() + 30 * DAY;
    assert_int_equal(generation_current(&p->store), 0);
    generation_read(&p->store, 0, NAME, &g);
    assert_false(g.usable);

    assert_int_equal(make(p, NAME, later, true), 1);
    assert_int_equal(generation_current(&p->store), 0); /* made, not in use */
    assert_true(generation_switch(&p->store, 1, &f));
    assert_int_equal(generation_current(&p->store), 1);
    generation_read(&p->store, 1, NAME, &g);
    assert_true(g.usable);
    assert_int_equal(g.facts.not_after, later);
    generation_read(&p->store, 1, "other.demo.com", &g);
    assert_false(g.usable);
    assert_int_equal(mode_of(p, "gen-1"), 0750);
    assert_int_equal(mode_of(p, "gen-1/fullchain.pem"), 0640);

    char target[32] = "", path[200];
    snprintf(path, sizeof path, "%s/current", p->dir);
    assert_true(readlink(path, target, sizeof target - 1) > 0);
    assert_string_equal(target, "gen-1"); /* relative: the folder may be moved */
}

static void test_best(void **state)
{
    struct place *p = *state;
    time_t now = clock_wall();
    assert_int_equal(generation_best(&p->store, NAME, now), 0);
    make(p, NAME, now + 30 * DAY, true);
    make(p, NAME, now + 40 * DAY, true);
    make(p, NAME, now - 1, true);           /* expired */
    make(p, "x.demo.com", now + DAY, true); /* another name */
    make(p, NAME, now + DAY, false);        /* key does not fit */
    assert_int_equal(generation_best(&p->store, NAME, now), 2);
}

static void test_damaged(void **state)
{
    struct place *p = *state;
    struct generation g;
    time_t later = clock_wall() + 30 * DAY;
    make(p, NAME, later, true);
    make(p, NAME, later, true);
    make(p, NAME, later, true);
    put_text(p, "gen-1/privkey.pem", "");
    put_text(p, "gen-2/fullchain.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    char *path = store_path(&p->store, "gen-3/privkey.pem");
    unlink(path);
    free(path);
    for (unsigned n = 1; n <= 4; n++) {
        generation_read(&p->store, n, NAME, &g);
        assert_false(g.usable);
        assert_true(strlen(g.why.text) > 0);
    }
}

static void test_prune(void **state)
{
    struct place *p = *state;
    struct fault f;
    time_t later = clock_wall() + 30 * DAY;
    for (int i = 0; i < 6; i++)
        make(p, NAME, later, true);
    assert_true(generation_switch(&p->store, 2, &f)); /* gone back to an old one */
    assert_true(store_mkdir(&p->store, UNNAMED, 0750, &f));
    put_text(p, UNNAMED "/privkey.pem", "half");
    generation_prune(&p->store);
    assert_false(exists(p, "gen-1"));
    assert_true(exists(p, "gen-2"));
    assert_false(exists(p, "gen-3"));
    assert_true(exists(p, "gen-4") && exists(p, "gen-5") && exists(p, "gen-6"));
    assert_false(exists(p, UNNAMED));
    /* Numbers are not used twice while higher ones stand. */
    assert_int_equal(make(p, NAME, later, true), 7);
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(number_of("gen-1"), 1);
    assert_int_equal(number_of("gen-2147483647"), INT_MAX);
    assert_int_equal(number_of("gen-0"), 0);
    assert_int_equal(number_of("gen-01"), 0);
    assert_int_equal(number_of("gen-"), 0);
    assert_int_equal(number_of("gen-1x"), 0);
    assert_int_equal(number_of("gen-2147483648"), 0);
    assert_int_equal(number_of("../gen-1"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folders_and_lock, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_setgid_comes_down, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_crash_leftovers_are_swept, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(test_state, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_state_that_cannot_be_read, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(test_pending, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_challenge, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_generations, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_best, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_damaged, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_signatures_count, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_prune, place_setup, place_teardown),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
