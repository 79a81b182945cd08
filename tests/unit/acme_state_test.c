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

/* Everything is set. */
static struct state full(void)
{
    struct state s = {.phase = PHASE_PROVING,
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
    state_set(&s.leftover, "https://ca.example/order/0");
    state_set(&s.leftover_ca, "https://ca.example/dir");
    state_set(&s.leftover_account, "https://ca.example/account/1");
    state_set(&s.hook_name, "_acme-challenge.derp.demo.com");
    state_set(&s.hook_value, "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0");
    state_set(&s.problem_type, "urn:ietf:params:acme:error:rateLimited");
    state_set(&s.problem, "rateLimited: \"too many\" \\ certificates");
    state_set(&s.account, "https://ca.example/account/1");
    state_set(&s.issued_account, "https://old.example/account/1");
    s.suggested = true;
    s.exempt = true;
    s.ordered_at = 1790000003;
    s.downloads = 2;
    s.stalls = 3;
    s.unfinished = 4;
    s.begun_at = 1790000001;
    state_set(&s.failed_ca, "https://old.example/dir");
    s.lifetime = 90 * 86400;
    s.suggested_at = 1790000000;
    s.last_seen = 1800000200;
    s.total = 5;
    s.told.expiring = 1800000001;
    s.told.failed[FAILURE_NETWORK] = 1800000002;
    s.told.failed[FAILURE_PAUSED] = 1800000003;
    ari_bind(&s.ari, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
    s.ari.start = 1800000000;
    s.ari.end = 1800000900;
    s.ari.pick = 1800000899;
    s.ari.next_look = 1800000100;
    s.ari.failures = 2;
    s.ari.explanation = mem_strdup("https://ca.example/why");
    s.cas[0] = (struct ca_record){.failures = {[FAILURE_NETWORK] = 2, [FAILURE_RATE_LIMIT] = 3},
                                  .class = FAILURE_RATE_LIMIT,
                                  .failing_since = 1799990000,
                                  .failed_at = 1800000100,
                                  .next_try = 1800003700,
                                  .issued_at = 1790000000,
                                  .enrolled = true,
                                  .profile_denied = true,
                                  .directory = mem_strdup("https://ca.example/dir")};
    s.cas[0].issued[0] = (struct issued){.at = 1790000000, .whole_at = 1790100000};
    s.cas[0].issued[1] = (struct issued){mem_strdup("derp.demo.com"), 1790000001, 1790100001};
    s.stale[0] = (struct stale){mem_strdup("_acme-challenge.derp.demo.com"), mem_strdup("value"), 3,
                                1800000300};
    s.cas[2].directory = mem_strdup("https://second.example/dir");
    return s;
}

static void test_round_trip(void **state)
{
    (void)state;
    bool newer;
    struct state out, s = full();
    char *text = state_print(&s);
    assert_true(parse(text, &out, &newer));
    char *again = state_print(&out);
    assert_string_equal(text, again);
    assert_int_equal(out.phase, PHASE_PROVING);
    assert_int_equal(out.next_try, 1800003700);
    assert_int_equal(out.class, FAILURE_RATE_LIMIT);
    assert_string_equal(out.problem, s.problem);
    assert_string_equal(out.account, s.account);
    assert_string_equal(out.issued_account, s.issued_account);
    assert_true(out.suggested);
    assert_true(out.exempt);
    assert_int_equal(out.ordered_at, s.ordered_at);
    assert_int_equal(out.downloads, 2);
    assert_int_equal(out.stalls, s.stalls);
    assert_int_equal(out.unfinished, s.unfinished);
    assert_int_equal(out.begun_at, s.begun_at);
    assert_string_equal(out.failed_ca, s.failed_ca);
    assert_int_equal(out.lifetime, s.lifetime);
    assert_int_equal(out.last_seen, s.last_seen);
    assert_int_equal(out.ari.pick, s.ari.pick);
    assert_string_equal(out.ari.explanation, s.ari.explanation);
    assert_memory_equal(out.cas[0].failures, s.cas[0].failures, sizeof s.cas[0].failures);
    assert_int_equal(out.cas[0].issued_at, s.cas[0].issued_at);
    assert_true(out.cas[0].profile_denied);
    assert_null(out.cas[0].issued[0].name);
    assert_int_equal(out.cas[0].issued[0].whole_at, 1790100000);
    assert_string_equal(out.cas[0].issued[1].name, "derp.demo.com");
    assert_int_equal(out.cas[0].issued[1].at, 1790000001);
    assert_string_equal(out.stale[0].value, "value");
    assert_int_equal(out.stale[0].tries, 3);
    assert_int_equal(out.stale[0].next_try, 1800000300);
    assert_string_equal(out.leftover_ca, s.leftover_ca);
    assert_string_equal(out.leftover_account, s.leftover_account);
    assert_true(out.cas[0].enrolled);
    assert_string_equal(out.cas[1].directory, s.cas[2].directory); /* gaps are closed */
    assert_int_equal(out.told.expiring, s.told.expiring);
    assert_memory_equal(out.told.failed, s.told.failed, sizeof s.told.failed);
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
    assert_false(parse("{\"schema\":3,\"phase\":\"idle\"}", &s, &newer));
    assert_true(newer);
}

static void test_schema_1_is_migrated(void **state)
{
    (void)state;
    struct state s;
    bool newer;
    /* Between two orders: the failure was one of the CA that gave the certificate. */
    assert_true(
        parse("{\"schema\":1,\"phase\":\"idle\",\"issued_by\":\"https://a/dir\",\"failures\":3,"
              "\"class\":\"rate-limit\",\"failed_at\":\"2027-01-15T08:00:00Z\","
              "\"next_try\":\"2027-01-15T10:00:00Z\"}",
              &s, &newer));
    assert_string_equal(s.cas[0].directory, "https://a/dir");
    assert_int_equal(s.cas[0].failures[FAILURE_RATE_LIMIT], 3);
    assert_int_equal(s.cas[0].next_try, 1800007200);
    assert_int_equal(s.total, 3);
    char *text = state_print(&s);
    assert_non_null(strstr(text, "\"schema\": 2"));
    free(text);
    state_free(&s);
    /* In the middle of one: of the CA of the order, which is kept. */
    assert_true(
        parse("{\"schema\":1,\"phase\":\"authorizing\",\"directory\":\"https://b/dir\",\"domain\":"
              "\"a.b\",\"order\":\"https://b/order/1\",\"issued_by\":\"https://a/dir\","
              "\"failures\":1,\"class\":\"network\"}",
              &s, &newer));
    assert_string_equal(s.cas[0].directory, "https://b/dir");
    assert_int_equal(s.phase, PHASE_AUTHORIZING);
    assert_string_equal(s.order, "https://b/order/1");
    state_free(&s);
    assert_true(parse("{\"schema\":1,\"phase\":\"idle\",\"failures\":1,\"class\":\"network\"}", &s,
                      &newer));
    assert_null(s.cas[0].directory);
    state_free(&s);
}

static void test_odd_parts_are_tamed(void **state)
{
    (void)state;
    struct state s;
    bool newer;
    assert_true(
        parse("{\"schema\":2,\"phase\":\"idle\",\"ari\":{\"cert_id\":\"a.b\",\"start\":\"2027-01-"
              "15T08:00:00Z\","
              "\"end\":\"2027-01-15T07:00:00Z\",\"pick\":\"2027-01-15T08:00:00Z\"},\"told\":[],"
              "\"cas\":[7,{},{\"directory\":\"a\",\"failures\":[],\"issued_at\":\"2027-01-15T08:00:"
              "00Z\",\"whole_at\":7},{\"directory\":\"b\",\"issued_at\":\"2027-01-15T08:00:00Z\","
              "\"whole_at\":"
              "\"2027-01-15T09:00:00Z\"},{\"directory\":\"c\"},{\"directory\":\"d\"},{"
              "\"directory\":\"e\"}],\"stale\":[7,{\"name\":\"n\"},{\"name\":\"n\",\"value\":\"v\","
              "\"tries\":-1}]}",
              &s, &newer));
    assert_int_equal(s.ari.pick, 0);
    assert_int_equal(s.ari.end, 0);
    assert_string_equal(s.cas[0].directory, "a");
    assert_int_equal(s.cas[0].issued_at, 1800000000);
    assert_int_equal(s.cas[0].issued[0].at, 0);
    assert_string_equal(s.cas[2].directory, "c");
    assert_string_equal(s.cas[3].directory, "d");
    /* A record without its value cannot be taken away; a version that told no names apart. */
    assert_string_equal(s.stale[0].name, "n");
    assert_null(s.stale[1].name);
    assert_null(s.cas[1].issued[0].name);
    assert_int_equal(s.cas[1].issued[0].whole_at, 1800003600);
    state_free(&s);
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
        cmocka_unit_test(test_schema_1_is_migrated),
        cmocka_unit_test(test_odd_parts_are_tamed),
        cmocka_unit_test(test_odd_values_are_tamed),
        cmocka_unit_test(test_drop_order_keeps_failures),
        cmocka_unit_test(test_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
