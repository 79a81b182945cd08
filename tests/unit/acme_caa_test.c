/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/caa.c"

#include "tests/unit/unit.h"

static char directory[] = "https://ca.example/dir", account[] = "https://ca.example/a/1";
static char one[] = "ca.example", two[] = "other.example", why[] = "no answer";

static struct caa example(const char *domain)
{
    return (struct caa){
        .domain = domain,
        .challenge = "tls-alpn-01",
        .count = 2,
        .list = {{.directory = directory, .account = account, .names = {one, two}, .count = 2},
                 {.directory = directory, .problem = why}}};
}

static void expect_text(const struct caa *caa, const char *wanted)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    caa_print(caa, out);
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
}

static void test_text(void **state)
{
    (void)state;
    struct caa caa = example("derp.demo.com");
    expect_text(&caa, "; https://ca.example/dir\n"
                      "derp.demo.com. IN CAA 0 issue \"ca.example; "
                      "accounturi=https://ca.example/a/1; validationmethods=tls-alpn-01\"\n"
                      "; or: derp.demo.com. IN CAA 0 issue \"other.example; "
                      "accounturi=https://ca.example/a/1; validationmethods=tls-alpn-01\"\n"
                      "; https://ca.example/dir\n"
                      "; the account is not known: no answer\n");
    caa.count = 1;
    caa.list[0].count = 0;
    expect_text(&caa, "; https://ca.example/dir\n; the CA does not say its name for CAA records; "
                      "the account is https://ca.example/a/1\n");
    caa.domain = "203.0.113.5";
    expect_text(&caa, "; 203.0.113.5 is an address: CAA records are about names only\n");
}

/* All of it: a record that is cut would forbid what it is to permit. */
static void test_long_account(void **state)
{
    (void)state;
    struct caa caa = example("derp.demo.com");
    char url[2001], wanted[2300];
    snprintf(url, sizeof url, "https://ca.example/%01980d", 7);
    caa.count = 1;
    caa.list[0].account = url;
    caa.list[0].count = 1;
    snprintf(wanted, sizeof wanted,
             "; https://ca.example/dir\nderp.demo.com. IN CAA 0 issue \"ca.example; accounturi=%s; "
             "validationmethods=tls-alpn-01\"\n",
             url);
    expect_text(&caa, wanted);
}

static void test_json(void **state)
{
    (void)state;
    struct caa caa = example("derp.demo.com");
    char *text = caa_json(&caa);
    assert_non_null(strstr(text, "\"names\":[\"ca.example\",\"other.example\"]"));
    assert_non_null(strstr(text, "\"accounturi\":null"));
    assert_non_null(strstr(text, "\"problem\":\"no answer\""));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_long_account),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
