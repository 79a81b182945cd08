/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/binding.c"

#include "acme/key.h"
#include "tests/unit/unit.h"

#define SECRET "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"

static bool reads(const char *dir, const char *text, unsigned mode, size_t *n, struct fault *f)
{
    char path[128];
    uint8_t secret[BINDING_SECRET_MAX];
    unit_file(dir, "eab", text, path);
    assert_int_equal(chmod(path, mode), 0);
    return binding_read(path, secret, n, f);
}

static void test_forms(void **state)
{
    struct fault f;
    size_t n;
    assert_true(reads(*state, SECRET, 0600, &n, &f) && n == 48);
    assert_true(reads(*state, "  " SECRET "\r\n", 0640, &n, &f) && n == 48);
    assert_true(reads(*state, "AAAAAAAAAAAAAAAAAAAAAA==\n", 0400, &n, &f) && n == 16);
}

static void test_refused(void **state)
{
    struct fault f;
    size_t n;
    assert_false(reads(*state, SECRET, 0644, &n, &f));
    assert_non_null(strstr(f.text, "chmod 0640"));
    assert_false(reads(*state, SECRET, 0660, &n, &f));
    assert_false(reads(*state, "", 0600, &n, &f));
    assert_non_null(strstr(f.text, "base64url"));
    assert_false(reads(*state, "c2hvcnQ", 0600, &n, &f));
    assert_false(reads(*state, SECRET " " SECRET, 0600, &n, &f));
    assert_null(strstr(f.text, "zWND")); /* the secret is not said */
    assert_false(binding_read("/nonexistent/eab", (uint8_t[BINDING_SECRET_MAX]){0}, &n, &f));
    assert_non_null(strstr(f.text, "/nonexistent/eab"));
}

static void test_binding(void **state)
{
    char path[128];
    struct failure fail;
    struct fault f;
    EVP_PKEY *key = key_generate(&f);
    unit_file(*state, "eab", SECRET, path);
    chmod(path, 0600);
    struct authority ca = {.eab_key_id = "kid-1", .eab_key_file = path};
    char *body = binding_make(&ca, "https://ca.example/account", key, &fail);
    assert_non_null(body);
    /* {"alg":"HS256","kid":"kid-1","url":"https://ca.example/account"}: no nonce. */
    assert_non_null(strstr(body, "\"protected\":\"eyJhbGciOiJIUzI1NiIsImtpZCI6ImtpZC0xIiwidXJsIjoi"
                                 "aHR0cHM6Ly9jYS5leGFtcGxlL2FjY291bnQifQ\""));
    free(body);
    ca.eab_key_file = "/nonexistent/eab";
    assert_null(binding_make(&ca, "https://ca.example/account", key, &fail));
    assert_int_equal(fail.class, FAILURE_CONFIGURATION);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_forms, unit_dir_setup, unit_dir_teardown),
        cmocka_unit_test_setup_teardown(test_refused, unit_dir_setup, unit_dir_teardown),
        cmocka_unit_test_setup_teardown(test_binding, unit_dir_setup, unit_dir_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
