/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/message_state.c"

#include "tests/unit/unit.h"

static bool parse(const char *json, struct state *s, bool *newer)
{
    struct fault f = {""};
    bool ok = state_parse(json, strlen(json), s, newer, &f);
    assert_true(ok == (strlen(f.text) == 0));
    return ok;
}

static void test_round_trip(void **state)
{
    (void)state;
    bool newer;
    struct state out, s = {.phase = PHASE_PROVING,
                           .generation = 4,
                           .previous = 3,
                           .issued_at = 1800000000,
                           .failures = 3,
                           .class = FAILURE_RATE_LIMIT,
                           .failed_at = 1800000100,
                           .next_try = 1800003700};
    state_set(&s.directory, "https://ca.example/dir");
    state_set(&s.domain, "derp.demo.com");
    state_set(&s.profile, "tlsserver");
    state_set(&s.order, "https://ca.example/order/1");
    state_set(&s.issued_by, "https://old.example/dir");
    state_set(&s.revoked, "ab12");
    state_set(&s.hook_name, "_acme-challenge.derp.demo.com");
    state_set(&s.hook_value, "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0");
    state_set(&s.problem_type, "urn:ietf:params:acme:error:rateLimited");
    state_set(&s.problem, "rateLimited: \"too many\" \\ certificates");
    char *text = state_print(&s);
    assert_true(parse(text, &out, &newer));
    char *again = state_print(&out);
    assert_string_equal(text, again);
    assert_int_equal(out.phase, PHASE_PROVING);
    assert_int_equal(out.next_try, 1800003700);
    assert_int_equal(out.class, FAILURE_RATE_LIMIT);
    assert_string_equal(out.problem, s.problem);
    assert_string_equal(out.hook_name, s.hook_name);
    state_drop_order(&out);
    assert_string_equal(out.hook_value, s.hook_value); /* what is in the DNS outlives its order */
    free(text);
    free(again);
    state_free(&out);
    state_free(&s);
}

static void test_empty(void **state)
{
    (void)state;
    bool newer;
    struct state out, s = {0};
    char *text = state_print(&s);
    assert_true(parse(text, &out, &newer));
    assert_int_equal(out.phase, PHASE_IDLE);
    assert_null(out.problem);
    assert_int_equal(out.next_try, 0);
    free(text);
    state_free(&out);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"schema\":1}",
        "{\"schema\":1,\"phase\":\"flying\"}",
        "{\"schema\":0,\"phase\":\"idle\"}",
        "{\"schema\":\"1\",\"phase\":\"idle\"}",
        /* phases that lack what they need */
        "{\"schema\":1,\"phase\":\"ordering\"}",
        "{\"schema\":1,\"phase\":\"authorizing\",\"directory\":\"https://a/\",\"domain\":\"a.b\"}",
        "{\"schema\":1,\"phase\":\"authorizing\",\"directory\":\"https://a/\",\"domain\":\"a.b\","
        "\"order\":\"http://a/\"}",
        "{\"schema\":1,\"phase\":\"proving\",\"directory\":\"https://a/\",\"domain\":\"a.b\","
        "\"order\":\"https://a/\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct state s;
        bool newer;
        assert_false(parse(bad[i], &s, &newer));
        assert_false(newer);
    }
}

static void test_later_version(void **state)
{
    (void)state;
    struct state s;
    bool newer;
    assert_false(parse("{\"schema\":2,\"phase\":\"idle\"}", &s, &newer));
    assert_true(newer);
}

static void test_odd_values_are_tamed(void **state)
{
    (void)state;
    struct state s;
    bool newer;
    assert_true(parse("{\"schema\":1,\"phase\":\"idle\",\"failures\":-7,\"generation\":99999999999,"
                      "\"next_try\":\"soon\",\"class\":\"moon\",\"problem\":7,\"more\":[]}",
                      &s, &newer));
    assert_int_equal(s.failures, 0);
    assert_int_equal(s.generation, INT_MAX);
    assert_int_equal(s.next_try, 0);
    assert_int_equal(s.class, FAILURE_PROTOCOL);
    assert_null(s.problem);
    state_free(&s);
}

static void test_drop_order_keeps_failures(void **state)
{
    (void)state;
    struct state s = {.phase = PHASE_FINALIZING, .failures = 2, .generation = 1};
    state_set(&s.order, "https://a/");
    state_set(&s.problem, "bad");
    state_drop_order(&s);
    assert_int_equal(s.phase, PHASE_IDLE);
    assert_null(s.order);
    assert_int_equal(s.failures, 2);
    assert_string_equal(s.problem, "bad");
    state_free(&s);
}

static void test_account(void **state)
{
    (void)state;
    struct fault f;
    char directory[] = "https://ca.example/dir", url[] = "https://ca.example/a/1";
    struct account b, a = {.directory = directory, .url = url};
    char *text = account_print(&a);
    assert_true(account_parse(text, strlen(text), &b, &f));
    assert_string_equal(b.url, a.url);
    account_free(&b);
    free(text);
    static const char *const bad[] = {"", "{}", "[]", "{\"directory\":\"d\"}",
                                      "{\"directory\":\"d\",\"url\":\"http://a/\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(account_parse(bad[i], strlen(bad[i]), &b, &f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_later_version),
        cmocka_unit_test(test_odd_values_are_tamed),
        cmocka_unit_test(test_drop_order_keeps_failures),
        cmocka_unit_test(test_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
