/* SPDX-License-Identifier: Apache-2.0 */
#include "base/width.c"

#include <string.h>

#include "tests/unit/unit.h"

static void assert_columns(const char *text, int wanted)
{
    assert_int_equal(width_columns(text, strlen(text)), wanted);
}

static void test_columns(void **state)
{
    (void)state;
    assert_columns("", 0);
    assert_columns("abc", 3);
    assert_columns("✓ ok", 4);
    assert_columns("证书", 4);
    assert_columns("，。（）", 8);
    assert_columns("äöü — …", 7);
    assert_columns("e\xcc\x81", 1);          /* a combining accent */
    assert_columns("한국어 ｶﾅ", 9);          /* halfwidth katakana is narrow */
    assert_columns("\xf0\xa0\x80\x80", 2);   /* U+20000 */
    assert_columns("\xf0\x9f\x98\x80 x", 4); /* an emoji */
}

static void test_broken(void **state)
{
    (void)state;
    assert_columns("\xff", 1);
    assert_columns("\xc0\x80", 1);
    assert_columns("a\xe8\xaf", 2); /* a character cut in two */
    assert_columns("\xf5\x80\x80\x80", 1);
    assert_int_equal(width_columns("证", 2), 1);
}

static void test_characters(void **state)
{
    (void)state;
    size_t bytes;
    assert_int_equal(width_character("a", 1, &bytes), 'a');
    assert_int_equal(bytes, 1);
    assert_int_equal(width_character("\xc3\xa4", 2, &bytes), 0xe4);
    assert_int_equal(bytes, 2);
    assert_int_equal(width_character("证", 3, &bytes), 0x8bc1);
    assert_int_equal(bytes, 3);
    assert_int_equal(width_character("\xf0\xa0\x80\x80", 4, &bytes), 0x20000);
    assert_int_equal(bytes, 4);
    assert_int_equal(width_character("证", 2, &bytes), 0xfffd);
    assert_int_equal(bytes, 1);
    assert_int_equal(width_character("\xe8x", 2, &bytes), 0xfffd);
    assert_int_equal(width_of(0x41), 1);
    assert_int_equal(width_of(0x0301), 0);
    assert_int_equal(width_of(0x200b), 0);
    assert_int_equal(width_of(0x2713), 1);
    assert_int_equal(width_of(0xff01), 2);
    assert_int_equal(width_of(0xff61), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
