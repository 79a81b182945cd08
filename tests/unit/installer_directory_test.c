/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/directory.c"

#include "tests/unit/unit.h"

#define URLS                                                                                       \
    "\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\",\"newOrder\":\"https://ca/o\""

static void test_names(void **state)
{
    (void)state;
    struct directory d;
    struct fault f;
    assert_true(directory_parse("{" URLS ",\"meta\":{\"caaIdentities\":[\"LetsEncrypt.org\",7,"
                                "\"not a name\",\"ca.test\"]},\"xyz\":null}",
                                &d, &f));
    assert_int_equal(d.count, 2);
    assert_string_equal(d.names[0], "letsencrypt.org");
    assert_string_equal(d.names[1], "ca.test");
    assert_false(d.shortlived);
    ca_directory_free(&d);
}

static void test_profile_for_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *meta;
        bool has;
    } cases[] = {
        {"{\"profiles\":{\"classic\":\"x\",\"shortlived\":\"https://ca/p\"}}", true},
        {"{\"profiles\":{\"classic\":\"x\"}}", false},
        {"{\"profiles\":[\"shortlived\"]}", false},
        {"{\"profiles\":null}", false},
        {"7", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400];
        struct directory d;
        struct fault f;
        snprintf(text, sizeof text, "{" URLS ",\"meta\":%s}", cases[i].meta);
        assert_true(directory_parse(text, &d, &f));
        assert_int_equal(d.shortlived, cases[i].has);
        ca_directory_free(&d);
    }
}

static void test_without_meta(void **state)
{
    (void)state;
    static const char *const texts[] = {"{" URLS "}", "{" URLS ",\"meta\":null}",
                                        "{" URLS ",\"meta\":{\"caaIdentities\":{}}}"};
    for (size_t i = 0; i < 3; i++) {
        struct directory d;
        struct fault f;
        assert_true(directory_parse(texts[i], &d, &f));
        assert_int_equal(d.count, 0);
        ca_directory_free(&d);
    }
}

static void test_no_directory(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "<html>", "[]", "{}", "{\"newNonce\":1}"};
    for (size_t i = 0; i < 5; i++) {
        struct directory d;
        struct fault f = {.text = ""};
        assert_false(directory_parse(texts[i], &d, &f));
        assert_string_not_equal(f.text, "");
        ca_directory_free(&d);
    }
}

static void test_guess(void **state)
{
    (void)state;
    struct directory d;
    directory_guess("https://acme-v02.api.letsencrypt.org/directory", &d);
    assert_int_equal(d.count, 3);
    assert_string_equal(d.names[2], "letsencrypt.org");
    ca_directory_free(&d);
    directory_guess("https://ca.test:14000/dir", &d);
    assert_int_equal(d.count, 1);
    assert_string_equal(d.names[0], "ca.test");
    ca_directory_free(&d);
    directory_guess("https://203.0.113.5/dir", &d);
    assert_int_equal(d.count, 0);
    directory_guess("https://localhost/dir", &d);
    assert_int_equal(d.count, 0);
    directory_guess("ca.test", &d);
    assert_int_equal(d.count, 0);
}

#define ACCOUNT "{\"directory\":\"https://ca.test/dir\",\"url\":"

static void test_account(void **state)
{
    (void)state;
    static const char *const none[] = {
        "",
        "{}",
        "[]",
        ACCOUNT "7}",
        ACCOUNT "\"\"}",
        ACCOUNT "\"http://ca.test/a/1\"}",
        ACCOUNT "\"https://ca.test/\\u001b[2J\"}",
        ACCOUNT "\"https://ca.test/\xc3\xa4\"}",
    };
    char *account = directory_account(ACCOUNT "\"https://ca.test/a/1\"}", "https://ca.test/dir");
    assert_string_equal(account, "https://ca.test/a/1");
    free(account);
    assert_null(directory_account(ACCOUNT "\"https://ca.test/a/1\"}", "https://other.test/dir"));
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (directory_account(none[i], "https://ca.test/dir"))
            fail_msg("%s", none[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),        cmocka_unit_test(test_profile_for_addresses),
        cmocka_unit_test(test_without_meta), cmocka_unit_test(test_no_directory),
        cmocka_unit_test(test_guess),        cmocka_unit_test(test_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
