/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/preflight.c"

#include "tests/unit/unit.h"

static bool definite(const char *id, enum severity severity)
{
    char name[64];
    snprintf(name, sizeof name, "%s", id);
    struct finding one = {.severity = severity, .id = name};
    return preflight_is_definite(&one);
}

static void test_definite(void **state)
{
    (void)state;
    assert_true(definite("dns.a.mismatch", SEVERITY_FAIL));
    assert_true(definite("dns.aaaa.stray", SEVERITY_FAIL));
    assert_true(definite("dns.caa.forbidden", SEVERITY_FAIL));
    assert_true(definite("dns.nxdomain", SEVERITY_FAIL));
    assert_true(definite("dns.cdn", SEVERITY_FAIL));
    assert_true(definite("dns.cname.loop", SEVERITY_FAIL));
    /* Of contradicting name servers the CA may meet the right ones. */
    assert_false(definite("dns.ns.disagree", SEVERITY_FAIL));
    /* Where we only could not look, the CA may. */
    assert_false(definite("dns.unreachable", SEVERITY_FAIL));
    assert_false(definite("dns.timeout", SEVERITY_FAIL));
    assert_false(definite("dns.hints", SEVERITY_FAIL));
    assert_false(definite("address.missing", SEVERITY_FAIL));
    assert_false(definite("address.unknown", SEVERITY_FAIL));
    /* Warnings never stop. */
    assert_false(definite("dns.a.mismatch", SEVERITY_WARN));
    assert_false(definite("dns.a.missing", SEVERITY_WARN));
}

static void test_judge(void **state)
{
    (void)state;
    struct findings all = {0};
    struct failure fail = {0};
    finding_add(&all, SEVERITY_OK, "dns.ok", "fine");
    finding_add(&all, SEVERITY_FAIL, "dns.timeout", "nobody answered");
    assert_true(judge(&all, false, false, &fail));
    size_t at = finding_add(&all, SEVERITY_FAIL, "dns.a.mismatch", "points to 192.0.2.7");
    finding_fix(&all, at, "change the record");
    finding_add(&all, SEVERITY_FAIL, "dns.aaaa.stray", "points to 2001:db8::7");
    assert_false(judge(&all, false, false, &fail));
    assert_int_equal(fail.class, FAILURE_PREFLIGHT);
    assert_string_equal(fail.text, "dns.a.mismatch: points to 192.0.2.7 — change the record");
    /* The fault is ours alone: the CA need not see it. */
    assert_true(judge(&all, true, false, &fail));
    findings_free(&all);
}

/* By dns-01 the CA does not come to the address, be it somebody else's. */
static void test_judge_unseen(void **state)
{
    (void)state;
    static const char *const passing[] = {"dns.nxdomain", "dns.a.missing", "dns.a.mismatch",
                                          "dns.aaaa.stray", "dns.cdn"};
    static const char *const stopping[] = {"dns.caa.forbidden", "dns.bogus", "dns.servfail",
                                           "dns.cname.loop"};
    struct findings all = {0};
    struct failure fail = {0};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        finding_add(&all, SEVERITY_FAIL, passing[i], "not here");
    assert_true(judge(&all, false, true, &fail));
    assert_false(judge(&all, false, false, &fail));
    findings_free(&all);
    for (size_t i = 0; i < sizeof stopping / sizeof *stopping; i++) {
        finding_add(&all, SEVERITY_FAIL, stopping[i], "wrong");
        assert_false(judge(&all, false, true, &fail));
        findings_free(&all);
    }
}

/* In an emergency, after three tries, at the CA that they were for. */
static void test_yields(void **state)
{
    (void)state;
    const struct authority ca = {.directory = "https://ca.example/dir"};
    struct session s = {.ca = &ca, .emergency = true, .renewing = true};
    struct failure fail, other;
    failure_set(&fail, FAILURE_PREFLIGHT, "dns.aaaa.stray: not this server");
    failure_set(&other, FAILURE_LOCAL, "disk full");
    assert_false(preflight_yields(&s, &fail)); /* nothing has failed yet */
    attempts_of(&s.state, "https://other.example/dir")->failures[FAILURE_PREFLIGHT] = 9;
    struct ca_record *r = attempts_of(&s.state, ca.directory);
    r->failures[FAILURE_PREFLIGHT] = 2;
    r->failures[FAILURE_LOCAL] = 3;
    assert_false(preflight_yields(&s, &fail));
    assert_true(session_desperate(&s, FAILURE_LOCAL));
    r->failures[FAILURE_PREFLIGHT] = 3;
    assert_true(preflight_yields(&s, &fail));
    assert_false(preflight_yields(&s, &other));
    s.renewing = false; /* a first certificate: the name is not set up yet */
    assert_false(preflight_yields(&s, &fail));
    s.renewing = true;
    s.emergency = false;
    assert_false(preflight_yields(&s, &fail));
    state_free(&s.state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definite),
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_judge_unseen),
        cmocka_unit_test(test_yields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
