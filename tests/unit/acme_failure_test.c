/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/failure.c"

#include "tests/unit/unit.h"

static void test_text_is_tame(void **state)
{
    (void)state;
    static const struct {
        const char *said, *kept;
    } rows[] = {
        {"plain — and … kept", "plain — and … kept"},
        {"a\x1b[31mred\nline\x7f", "a?[31mred?line?"},
        {"\xff\xc0\x80 \xe2\x80", "??? ??"}, /* the last is the beginning of a character */
        {"\xf0\x9f\x98\x80\xf5", "\xf0\x9f\x98\x80?"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct failure f;
        failure_set(&f, FAILURE_PROTOCOL, "%s", rows[i].said);
        assert_string_equal(f.text, rows[i].kept);
    }
}

/* Cut in the middle of a character. */
static void test_text_is_cut(void **state)
{
    (void)state;
    struct failure f;
    char said[sizeof f.text + 8];
    memset(said, 'x', sizeof said);
    memcpy(said + sizeof f.text - 3, "—", 3);
    said[sizeof said - 1] = '\0';
    failure_set(&f, FAILURE_PROTOCOL, "%s", said);
    assert_int_equal(strlen(f.text), sizeof f.text - 1);
    assert_string_equal(f.text + sizeof f.text - 4, "x??");
    /* Its own text may be an argument. */
    failure_set(&f, FAILURE_LOCAL, "%.3s!", f.text);
    assert_string_equal(f.text, "xxx!");
}

static void test_names(void **state)
{
    (void)state;
    for (enum failure_class c = 0; c < FAILURE_CLASSES; c++)
        assert_int_equal(failure_named(failure_name(c)), c);
    assert_int_equal(failure_named("moon"), FAILURE_CLASSES);
    assert_string_equal(failure_name(FAILURE_CLASSES), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_tame),
        cmocka_unit_test(test_text_is_cut),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
