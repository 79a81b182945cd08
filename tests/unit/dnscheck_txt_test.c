/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/txt.c"

#include "tests/unit/unit.h"

#define RECORD(bytes)                                                                              \
    {                                                                                              \
        sizeof(bytes) - 1, (uint8_t *)(bytes)                                                      \
    }

static void test_has(void **state)
{
    (void)state;
    struct answer_record records[] = {
        RECORD(""),
        RECORD("\003abc"),
        RECORD("\002de\001f"), /* two strings are one value */
        RECORD("\011short"),   /* runs over its end */
        RECORD("\000"),
    };
    struct answer a = {.status = ANSWER_DATA, .records = records, .count = 4};
    assert_true(txt_has(&a, "abc"));
    assert_true(txt_has(&a, "def"));
    assert_true(txt_has(&a, ""));
    assert_false(txt_has(&a, "ab"));
    assert_false(txt_has(&a, "abcd"));
    assert_false(txt_has(&a, "ABC"));
    assert_false(txt_has(&a, "short"));
    a.status = ANSWER_NXDOMAIN;
    assert_false(txt_has(&a, "abc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_has)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
