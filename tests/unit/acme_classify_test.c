/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/classify.c"
#include "acme/failure.c"

#include "tests/unit/unit.h"

static void test_problem_table(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        long status;
        const char *detail;
        enum failure_class request, validation;
    } rows[] = {
        {PREFIX "rateLimited", 429, "too many certificates (5)", FAILURE_RATE_LIMIT,
         FAILURE_RATE_LIMIT},
        {PREFIX "rateLimited", 429, NULL, FAILURE_RATE_LIMIT, FAILURE_RATE_LIMIT},
        {PREFIX "rateLimited", 429,
         "Your account is temporarily prevented from requesting certificates for derp.demo.com",
         FAILURE_PAUSED, FAILURE_PAUSED},
        {PREFIX "unauthorized", 403, NULL, FAILURE_CONFIGURATION, FAILURE_REACHABILITY},
        {PREFIX "connection", 400, NULL, FAILURE_REACHABILITY, FAILURE_REACHABILITY},
        {PREFIX "tls", 400, NULL, FAILURE_REACHABILITY, FAILURE_REACHABILITY},
        {PREFIX "dns", 400, NULL, FAILURE_REACHABILITY, FAILURE_REACHABILITY},
        {PREFIX "caa", 403, NULL, FAILURE_CONFIGURATION, FAILURE_CONFIGURATION},
        {PREFIX "rejectedIdentifier", 400, NULL, FAILURE_CONFIGURATION, FAILURE_CONFIGURATION},
        {PREFIX "userActionRequired", 403, NULL, FAILURE_TERMS, FAILURE_TERMS},
        {PREFIX "serverInternal", 500, NULL, FAILURE_OVERLOAD, FAILURE_OVERLOAD},
        {PREFIX "badNonce", 400, NULL, FAILURE_OVERLOAD, FAILURE_OVERLOAD},
        {PREFIX "malformed", 400, NULL, FAILURE_PROTOCOL, FAILURE_PROTOCOL},
        {PREFIX "invalidProfile", 400, NULL, FAILURE_CONFIGURATION, FAILURE_CONFIGURATION},
        /* Unknown types and none: the status decides. */
        {"https://example.com/odd", 503, NULL, FAILURE_OVERLOAD, FAILURE_OVERLOAD},
        {"", 429, NULL, FAILURE_RATE_LIMIT, FAILURE_RATE_LIMIT},
        {"", 502, NULL, FAILURE_OVERLOAD, FAILURE_OVERLOAD},
        {"", 403, NULL, FAILURE_CONFIGURATION, FAILURE_CONFIGURATION},
        {"", 404, NULL, FAILURE_PROTOCOL, FAILURE_PROTOCOL},
        {"", 302, NULL, FAILURE_PROTOCOL, FAILURE_PROTOCOL},
        {"", 0, NULL, FAILURE_PROTOCOL, FAILURE_REACHABILITY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(
            classify_problem(CLASSIFY_REQUEST, rows[i].type, rows[i].status, rows[i].detail),
            rows[i].request);
        assert_int_equal(
            classify_problem(CLASSIFY_VALIDATION, rows[i].type, rows[i].status, rows[i].detail),
            rows[i].validation);
    }
}

static void test_may_be_replaces(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        long status;
        bool again;
    } rows[] = {
        {PREFIX "alreadyReplaced", 409, true},
        {PREFIX "conflict", 409, true},
        {PREFIX "malformed", 400, true},
        {PREFIX "unauthorized", 403, true},
        {PREFIX "serverInternal", 500, true},
        {"", 404, true},
        {"https://ca.example/errors/odd", 401, true},
        {PREFIX "badNonce", 400, false},
        {PREFIX "caa", 403, false},
        {PREFIX "invalidProfile", 400, false},
        {PREFIX "rateLimited", 429, false},
        {PREFIX "rejectedIdentifier", 400, false},
        {PREFIX "unsupportedIdentifier", 400, false},
        {PREFIX "userActionRequired", 403, false},
        {"", 429, false},
        {PREFIX "serverInternal", 503, false},
        {"", 0, false}, /* the network */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct failure f = {.status = rows[i].status};
        snprintf(f.type, sizeof f.type, "%s", rows[i].type);
        assert_int_equal(classify_may_be_replaces(&f), rows[i].again);
    }
}

static void test_short(void **state)
{
    (void)state;
    assert_string_equal(classify_short(PREFIX "badNonce"), "badNonce");
    assert_string_equal(classify_short("badNonce"), "badNonce");
    assert_string_equal(classify_short(""), "");
}

static void test_names(void **state)
{
    (void)state;
    for (int c = FAILURE_NONE; c < FAILURE_CLASSES; c++)
        assert_int_equal(failure_named(failure_name((enum failure_class)c)), c);
    assert_int_equal(failure_named("nonsense"), FAILURE_CLASSES);
    assert_int_equal(failure_named(""), FAILURE_CLASSES);
}

static void test_failure(void **state)
{
    (void)state;
    struct failure f;
    memset(&f, 0x55, sizeof f);
    assert_false(failure_set(&f, FAILURE_LOCAL, "disk %d", 7));
    assert_string_equal(f.text, "disk 7");
    assert_int_equal(f.status, 0);
    assert_int_equal(f.retry_after, 0);
    assert_string_equal(f.type, "");
    /* Its own text as an argument. */
    failure_set(&f, FAILURE_LOCAL, "again: %s", f.text);
    assert_string_equal(f.text, "again: disk 7");
    snprintf(f.type, sizeof f.type, PREFIX "badNonce");
    assert_true(failure_is(&f, "badNonce"));
    assert_false(failure_is(&f, "bad"));
    /* Longer than there is room. */
    char *large = malloc(9000);
    memset(large, 'x', 8999);
    large[8999] = '\0';
    failure_set(&f, FAILURE_LOCAL, "%s", large);
    assert_int_equal(strlen(f.text), sizeof f.text - 1);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problem_table), cmocka_unit_test(test_may_be_replaces),
        cmocka_unit_test(test_short),         cmocka_unit_test(test_names),
        cmocka_unit_test(test_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
