/* SPDX-License-Identifier: Apache-2.0 */
#include "base/finding.c"

#include "tests/unit/unit.h"

static void three(struct findings *all)
{
    finding_add(all, SEVERITY_OK, "dns.a", "A %s", "203.0.113.10");
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.aaaa.stray", "found \"%s\"", "::1");
    finding_fix(all, i, "old");
    finding_fix(all, i, "remove the AAAA record of %s", "derp.demo.com");
    finding_add(all, SEVERITY_WARN, "dns.ttl", "line one\nline two");
}

static void collects(void **state)
{
    (void)state;
    struct findings all = {0};
    assert_int_equal(findings_worst(&all), SEVERITY_OK);
    assert_null(findings_get(&all, "dns.a"));
    three(&all);
    assert_int_equal(all.count, 3);
    assert_int_equal(findings_worst(&all), SEVERITY_FAIL);
    assert_string_equal(findings_get(&all, "dns.a")->message, "A 203.0.113.10");
    assert_string_equal(findings_get(&all, "dns.aaaa.stray")->fix,
                        "remove the AAAA record of derp.demo.com");
    assert_null(findings_get(&all, "dns"));
    findings_free(&all);
    assert_int_equal(all.count, 0);
    findings_free(&all);
}

static void severities_are_ordered(void **state)
{
    (void)state;
    struct findings all = {0};
    finding_add(&all, SEVERITY_WARN, "a", "b");
    finding_add(&all, SEVERITY_SKIP, "a", "b");
    assert_int_equal(findings_worst(&all), SEVERITY_WARN);
    findings_free(&all);
    assert_string_equal(severity_name(SEVERITY_OK), "ok");
    assert_string_equal(severity_name(SEVERITY_SKIP), "skip");
    assert_string_equal(severity_name(SEVERITY_WARN), "warn");
    assert_string_equal(severity_name(SEVERITY_FAIL), "fail");
}

static void moves(void **state)
{
    (void)state;
    struct findings a = {0};
    struct findings b = {0};
    findings_move(&a, &b);
    assert_int_equal(a.count, 0);
    three(&b);
    findings_move(&a, &b);
    assert_int_equal(a.count, 3);
    assert_int_equal(b.count, 0);
    three(&b);
    findings_move(&a, &b);
    assert_int_equal(a.count, 6);
    assert_string_equal(a.list[5].id, "dns.ttl");
    findings_free(&a);
    findings_free(&b);
}

static void prints(void **state)
{
    (void)state;
    struct findings all = {0};
    char *text = NULL;
    size_t n;
    three(&all);
    FILE *out = open_memstream(&text, &n);
    for (size_t i = 0; i < all.count; i++)
        finding_print(&all.list[i], out);
    fclose(out);
    assert_string_equal(text, "[ok] dns.a: A 203.0.113.10\n"
                              "[fail] dns.aaaa.stray: found \"::1\"\n"
                              "       fix: remove the AAAA record of derp.demo.com\n"
                              "[warn] dns.ttl: line one\n"
                              "       line two\n");
    free(text);
    findings_free(&all);
}

static void as_json(void **state)
{
    (void)state;
    struct findings all = {0};
    char *text = findings_json(&all);
    assert_string_equal(text, "[]");
    free(text);

    three(&all);
    finding_add(&all, SEVERITY_SKIP, "x", "%s", "not UTF-8: \xff");
    text = findings_json(&all);
    json_t *array = json_loads(text, 0, NULL);
    assert_non_null(array);
    assert_int_equal(json_array_size(array), 4);
    json_t *one = json_array_get(array, 1);
    assert_string_equal(json_string_value(json_object_get(one, "id")), "dns.aaaa.stray");
    assert_string_equal(json_string_value(json_object_get(one, "status")), "fail");
    assert_string_equal(json_string_value(json_object_get(one, "message")), "found \"::1\"");
    assert_true(json_is_null(json_object_get(json_array_get(array, 0), "fix")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(array, 3), "message")),
                        "not UTF-8: \\xff");
    json_decref(array);
    free(text);
    findings_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collects), cmocka_unit_test(severities_are_ordered),
        cmocka_unit_test(moves),    cmocka_unit_test(prints),
        cmocka_unit_test(as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
