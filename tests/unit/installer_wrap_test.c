/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/wrap.c"

#include "tests/unit/unit.h"

static void assert_wrap(const char *text, int width, int used, int indent, const char *wanted)
{
    char *result = NULL;
    size_t n;
    FILE *out = open_memstream(&result, &n);
    wrap_print(out, text, width, used, indent);
    fclose(out);
    assert_string_equal(result, wanted);
    free(result);
}

static void test_wrap(void **state)
{
    (void)state;
    assert_wrap("one two three", 0, 4, 4, "one two three\n");
    assert_wrap("one two three", 13, 4, 4, "one two\n    three\n");
    assert_wrap("one two three", 11, 4, 2, "one two\n  three\n");
    assert_wrap("one two", 11, 4, 4, "one two\n");
    assert_wrap("one two", 10, 4, 4, "one\n    two\n");
    assert_wrap("a-word-longer-than-the-line b", 10, 2, 2, "a-word-longer-than-the-line\n  b\n");
    assert_wrap("", 10, 2, 2, "\n");
    assert_wrap("a  \n b", 10, 0, 0, "a b\n");
    assert_wrap("\xc3\xa4\xc3\xb6 \xc3\xbc", 4, 0, 0, "\xc3\xa4\xc3\xb6 \xc3\xbc\n");
}

static void test_wrap_chinese(void **state)
{
    (void)state;
    assert_wrap("证书有效", 0, 0, 0, "证书有效\n");
    assert_wrap("证书有效", 4, 0, 0, "证书\n有效\n");
    assert_wrap("证书有效", 5, 0, 0, "证书\n有效\n");
    assert_wrap("证书有效", 8, 2, 2, "证书有\n  效\n");
    /* Not before what closes, not after what opens. */
    assert_wrap("证书，有效", 4, 0, 0, "证\n书，\n有效\n");
    assert_wrap("证书（有效）", 6, 0, 0, "证书\n（有\n效）\n");
    assert_wrap("证书“有效”吗", 6, 0, 0, "证书\n“有效”\n吗\n");
    /* Commands stay whole, with and without spaces around. */
    assert_wrap("运行derp-setup吧", 12, 0, 0, "运行\nderp-setup吧\n");
    assert_wrap("运行 derp-setup doctor", 12, 0, 0, "运行\nderp-setup\ndoctor\n");
    assert_wrap("运行 ufw 吧", 40, 0, 0, "运行 ufw 吧\n");
    /* A mark that joins the character before it. */
    assert_wrap("证\xcc\x81书", 2, 0, 0, "证\xcc\x81\n书\n");
}

/* Where labels leave little room, the text goes on below them. */
static void test_wrap_narrow(void **state)
{
    (void)state;
    assert_wrap("a-long-word b", 20, 16, 4, "\n    a-long-word b\n");
    assert_wrap("a word", 20, 16, 4, "a\n    word\n");
}

static void test_fit(void **state)
{
    (void)state;
    assert_int_equal(wrap_fit("abc", 2), 2);
    assert_int_equal(wrap_fit("abc", 9), 3);
    assert_int_equal(wrap_fit("证书", 3), 3);
    assert_int_equal(wrap_fit("证书", 4), 6);
    assert_int_equal(wrap_fit("证书", -1), 0);
    assert_int_equal(wrap_fit("e\xcc\x81x", 1), 3);
}

static void test_columns(void **state)
{
    (void)state;
    assert_int_equal(wrap_columns("abc", 3), 3);
    assert_int_equal(wrap_columns("\xe2\x9c\x93 ok", 6), 4);
    assert_int_equal(wrap_columns("证书", 6), 4);
}

static void assert_clean(const char *line, size_t cap, const char *wanted)
{
    char out[64];
    wrap_clean(line, out, cap);
    assert_string_equal(out, wanted);
}

static void test_clean(void **state)
{
    (void)state;
    assert_clean("plain — text", 64, "plain — text");
    assert_clean("\x1b[31m\r\x7f", 64, "\\x1b[31m\\x0d\\x7f");
    assert_clean("\xff\xc0\x80\xe2\x80", 64, "\\xff\\xc0\\x80\\xe2\\x80");
    assert_clean("\xc2\x9b", 64, "\\xc2\\x9b"); /* C1: another way to write ESC [ */
    assert_clean("\xe0\x80\xaf", 64, "\\xe0\\x80\\xaf");
    assert_clean("ab\xe2\x80\x94", 5, "ab");
    assert_clean("a\x01", 5, "a");
    assert_clean("", 1, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrap),        cmocka_unit_test(test_wrap_chinese),
        cmocka_unit_test(test_wrap_narrow), cmocka_unit_test(test_fit),
        cmocka_unit_test(test_columns),     cmocka_unit_test(test_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
