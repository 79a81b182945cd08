/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/account_store.c"

#include "acme/authority.h"
#include "tests/unit/acme_place.h"

#define DIRECTORY "https://ca.example:14000/dir"
#define OTHER     "https://other.example/dir"

/* Writes a file of an earlier version. */
static void put_old(const struct place *p, const char *name, const char *text)
{
    struct fault f;
    char *path = path_of(&p->store, NULL, name);
    assert_true(file_write(path, text, strlen(text), 0600, &f));
    free(path);
}

static void test_folder(void **state)
{
    (void)state;
    char a[ACCOUNT_FOLDER_MAX], b[ACCOUNT_FOLDER_MAX], url[400];
    account_store_folder("https://CA.example:14000/dir", a);
    assert_non_null(strstr(a, "account/ca.example_14000-"));
    account_store_folder("https://CA.example:14000/dir2", b);
    assert_string_not_equal(a, b);
    account_store_folder("https://../../etc/passwd", a);
    assert_non_null(strstr(a, "account/..-"));
    snprintf(url, sizeof url, "https://%0300d/", 7);
    account_store_folder(url, a);
    assert_int_equal(strlen(a), strlen("account/") + HOST_MAX + 1 + 8);
}

static void test_key(void **state)
{
    struct place *p = *state;
    struct fault f;
    struct stat st;
    bool made;
    assert_true(account_store_open(&p->store, DIRECTORY, &f));
    EVP_PKEY *one = account_store_key(&p->store, DIRECTORY, &made, &f);
    assert_true(one && made);
    EVP_PKEY *two = account_store_key(&p->store, DIRECTORY, &made, &f);
    assert_true(two && !made && key_same(one, two));
    char *path = path_of(&p->store, DIRECTORY, KEY_FILE);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    /* Another CA has another key. */
    assert_true(account_store_open(&p->store, OTHER, &f));
    EVP_PKEY *three = account_store_key(&p->store, OTHER, &made, &f);
    assert_true(three && made && !key_same(one, three));
    /* A bit changes somewhere in the private part: it may read as a key, but signs nothing. */
    struct buf pem;
    buf_init(&pem, KEY_BYTES_MAX);
    assert_true(file_read(path, &pem, &f));
    char *text = (char *)pem.data;
    size_t at = (size_t)(strchr(text, '\n') - text) + 60;
    text[at] = text[at] == 'A' ? 'B' : 'A';
    assert_true(file_write(path, pem.data, pem.len, 0600, &f));
    assert_null(account_store_key(&p->store, DIRECTORY, &made, &f));
    assert_non_null(strstr(f.text, "do not fit"));
    buf_wipe(&pem);
    /* Damaged: said, never silently replaced, and kept when it is. */
    assert_true(file_write(path, "", 0, 0600, &f));
    assert_null(account_store_key(&p->store, DIRECTORY, &made, &f));
    assert_non_null(strstr(f.text, "account.key"));
    assert_non_null(strstr(f.text, "put back a copy"));
    assert_true(file_exists(path));
    struct fault why = f;
    assert_true(account_store_put_key_aside(&p->store, DIRECTORY, &why, &f));
    assert_true(has(&p->store, DIRECTORY, KEY_FILE ".bad"));
    EVP_PKEY *four = account_store_key(&p->store, DIRECTORY, &made, &f);
    assert_true(four && made && !key_same(one, four));
    free(path);
    EVP_PKEY_free(one);
    EVP_PKEY_free(two);
    EVP_PKEY_free(three);
    EVP_PKEY_free(four);
}

static void test_url(void **state)
{
    struct place *p = *state;
    struct fault f;
    char directory[] = DIRECTORY, url[] = "https://ca.example/a/1";
    struct account b, a = {.directory = directory, .url = url};
    assert_true(account_store_open(&p->store, DIRECTORY, &f));
    assert_false(account_store_load(&p->store, DIRECTORY, &b));
    assert_true(account_store_save(&p->store, DIRECTORY, &a, &f));
    assert_true(account_store_load(&p->store, DIRECTORY, &b));
    assert_string_equal(b.url, a.url);
    account_free(&b);
    char *path = path_of(&p->store, DIRECTORY, URL_FILE);
    assert_true(file_write(path, "nonsense", 8, 0600, &f));
    assert_false(account_store_load(&p->store, DIRECTORY, &b));
    assert_true(account_store_save(&p->store, DIRECTORY, NULL, &f));
    assert_false(file_exists(path));
    free(path);
}

static void test_next_key(void **state)
{
    struct place *p = *state;
    struct fault f;
    bool made;
    assert_true(account_store_open(&p->store, DIRECTORY, &f));
    EVP_PKEY *old = account_store_key(&p->store, DIRECTORY, &made, &f);
    assert_false(account_store_has_next(&p->store, DIRECTORY));
    EVP_PKEY *next = account_store_next_key(&p->store, DIRECTORY, &f);
    EVP_PKEY *again = account_store_next_key(&p->store, DIRECTORY, &f);
    assert_true(account_store_has_next(&p->store, DIRECTORY));
    assert_true(key_same(next, again) && !key_same(next, old));
    assert_true(account_store_promote(&p->store, DIRECTORY, &f));
    EVP_PKEY *now = account_store_key(&p->store, DIRECTORY, &made, &f);
    assert_true(!made && key_same(now, next));
    assert_false(account_store_has_next(&p->store, DIRECTORY));
    assert_true(account_store_drop_next(&p->store, DIRECTORY, &f));
    EVP_PKEY_free(old);
    EVP_PKEY_free(next);
    EVP_PKEY_free(again);
    EVP_PKEY_free(now);
}

/* What cannot be read is kept, whatever was kept before it. */
static void test_next_key_is_put_aside(void **state)
{
    struct place *p = *state;
    struct fault f, why = {"it cannot be read"};
    assert_true(account_store_open(&p->store, DIRECTORY, &f));
    for (int i = 1; i <= 11; i++) {
        char text[24];
        char *path = path_of(&p->store, DIRECTORY, NEXT_FILE);
        snprintf(text, sizeof text, "key %d", i);
        assert_true(file_write(path, text, strlen(text), 0600, &f));
        assert_true(account_store_put_next_aside(&p->store, DIRECTORY, &why, &f));
        assert_false(file_exists(path));
        free(path);
    }
    struct buf b;
    buf_init(&b, 64);
    char *first = path_of(&p->store, DIRECTORY, NEXT_FILE ".bad");
    assert_true(file_read(first, &b, &f));
    assert_string_equal(buf_text(&b), "key 1");
    char *last = path_of(&p->store, DIRECTORY, NEXT_FILE ".bad9");
    assert_true(file_read(last, &b, &f));
    assert_string_equal(buf_text(&b), "key 11");
    assert_false(has(&p->store, DIRECTORY, NEXT_FILE ".bad10"));
    buf_free(&b);
    free(first);
    free(last);
}

/* The one account of earlier versions goes to its CA, whatever is configured now. */
static void test_migration(void **state)
{
    struct place *p = *state;
    struct fault f;
    struct account a;
    put_old(p, KEY_FILE, "the key");
    put_old(p, URL_FILE,
            "{\"schema\":1,\"directory\":\"" OTHER "\",\"url\":\"https://other.example/a/1\"}");
    assert_true(account_store_open(&p->store, DIRECTORY, &f));
    assert_true(has(&p->store, OTHER, KEY_FILE) && has(&p->store, OTHER, URL_FILE));
    assert_false(has(&p->store, NULL, KEY_FILE) || has(&p->store, NULL, URL_FILE));
    assert_false(has(&p->store, DIRECTORY, KEY_FILE));
    assert_true(account_store_load(&p->store, OTHER, &a));
    account_free(&a);
}

static void test_migration_without_url(void **state)
{
    struct place *p = *state;
    struct fault f;
    put_old(p, KEY_FILE, "the key");
    assert_true(account_store_open(&p->store, DIRECTORY, &f));
    assert_true(has(&p->store, DIRECTORY, KEY_FILE));
}

static void test_migration_that_was_cut_off(void **state)
{
    struct place *p = *state;
    struct fault f;
    put_old(p, URL_FILE,
            "{\"schema\":1,\"directory\":\"" OTHER "\",\"url\":\"https://other.example/a/1\"}");
    assert_true(account_store_open(&p->store, DIRECTORY, &f));
    assert_true(has(&p->store, OTHER, URL_FILE));
    /* A key that is there already is not written over. */
    put_old(p, KEY_FILE, "one");
    assert_true(account_store_open(&p->store, DIRECTORY, &f));
    put_old(p, KEY_FILE, "two");
    assert_true(account_store_open(&p->store, DIRECTORY, &f));
    assert_true(has(&p->store, NULL, KEY_FILE));
}

static void test_authorities(void **state)
{
    (void)state;
    struct config c;
    struct authority list[AUTHORITY_MAX];
    config_init(&c);
    assert_true(authority_list(&c, list) >= 1);
    assert_string_equal(list[0].directory, CONFIG_ACME_DIRECTORY);
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder),
        cmocka_unit_test_setup_teardown(test_key, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_url, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_next_key, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_next_key_is_put_aside, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_migration, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_migration_without_url, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_migration_that_was_cut_off, place_setup,
                                        place_teardown),
        cmocka_unit_test(test_authorities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
