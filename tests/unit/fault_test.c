/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.c"

#include "tests/unit/unit.h"

static void sets_and_returns_false(void **state)
{
    (void)state;
    struct fault f;
    assert_false(fault_set(&f, "%s:%d", "x", 7));
    assert_string_equal(f.text, "x:7");
    assert_false(fault_set(NULL, "nobody listens"));
    assert_false(fault_errno(NULL, "nobody listens"));
}

static void appends_errno(void **state)
{
    (void)state;
    struct fault f;
    errno = ENOENT;
    assert_false(fault_errno(&f, "cannot open %s", "/x"));
    assert_string_equal(f.text, "cannot open /x: No such file or directory");
    errno = 123456;
    fault_errno(&f, "a");
    assert_string_equal(f.text, "a: error 123456");
}

static void cuts_but_keeps_the_reason(void **state)
{
    (void)state;
    struct fault f;
    char text[2000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    fault_set(&f, "%s", text);
    assert_int_equal(strlen(f.text), sizeof f.text - 1);
    errno = EACCES;
    fault_errno(&f, "%s", text);
    assert_non_null(strstr(f.text, "aaa: Permission denied"));
}

static void may_quote_itself(void **state)
{
    (void)state;
    struct fault f;
    fault_set(&f, "inner");
    fault_set(&f, "outer: %s", f.text);
    assert_string_equal(f.text, "outer: inner");
    errno = EPERM;
    fault_errno(&f, "more: %s", f.text);
    assert_string_equal(f.text, "more: outer: inner: Operation not permitted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_and_returns_false),
        cmocka_unit_test(appends_errno),
        cmocka_unit_test(cuts_but_keeps_the_reason),
        cmocka_unit_test(may_quote_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
