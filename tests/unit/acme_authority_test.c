/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/authority.c"

#include "tests/unit/unit.h"

static void read_config(struct config *c, const char *acme)
{
    struct fault f;
    char text[2000];
    snprintf(text, sizeof text, "[relay]\ndomain = derp.demo.com\n[acme]\n%s", acme);
    *c = (struct config){0};
    assert_true(config_parse("derp.conf", text, c, &f));
}

static void test_one(void **state)
{
    (void)state;
    struct config c;
    struct authority list[AUTHORITY_MAX];
    read_config(&c, "profile = shortlived\n");
    assert_int_equal(authority_list(&c, list), 1);
    assert_string_equal(list[0].directory, CONFIG_ACME_DIRECTORY);
    assert_string_equal(list[0].profile, "shortlived");
    assert_ptr_equal(authority_find(list, 1, CONFIG_ACME_DIRECTORY), &list[0]);
    assert_null(authority_find(list, 1, "https://other.example/"));
    assert_null(authority_find(list, 1, NULL));
    config_free(&c);
}

static void test_two(void **state)
{
    (void)state;
    struct config c;
    struct authority list[AUTHORITY_MAX];
    read_config(&c,
                "profile = shortlived\nfallback-directory = https://b.example/dir\n"
                "fallback-ca-file = /ca\nfallback-eab-key-id = k\nfallback-eab-key-file = /k\n");
    assert_int_equal(authority_list(&c, list), 2);
    assert_string_equal(list[1].directory, "https://b.example/dir");
    assert_string_equal(list[1].ca_file, "/ca");
    assert_string_equal(list[1].eab_key_id, "k");
    assert_string_equal(list[1].eab_key_file, "/k");
    assert_null(list[1].profile); /* a CA's own word */
    assert_ptr_equal(authority_find(list, 2, "https://b.example/dir"), &list[1]);
    config_free(&c);
}

static void test_staging(void **state)
{
    (void)state;
    struct config c;
    read_config(&c, "");
    assert_non_null(strstr(authority_staging(&c).directory, "acme-staging-v02"));
    config_free(&c);
    read_config(&c, "directory = https://b.example/dir\n");
    assert_null(authority_staging(&c).directory);
    config_free(&c);
    read_config(&c, "directory = https://b.example/dir\nstaging-directory = https://s.example/dir\n"
                    "ca-file = /ca\n");
    assert_string_equal(authority_staging(&c).directory, "https://s.example/dir");
    assert_string_equal(authority_staging(&c).ca_file, "/ca");
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_two),
        cmocka_unit_test(test_staging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
