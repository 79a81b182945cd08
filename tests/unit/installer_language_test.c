/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/language.c"

#include "installer/terminal.h"
#include "tests/unit/unit.h"

static void test_choice(void **state)
{
    (void)state;
    static const struct {
        struct language_wish wish; /* LC_ALL, LC_MESSAGES, LANG, LANGUAGE */
        const char *chosen;
    } cases[] = {
        {{NULL, NULL, NULL, NULL}, NULL},
        {{NULL, NULL, "zh_CN.UTF-8", NULL}, "zh_CN"},
        {{NULL, NULL, "zh_CN", NULL}, "zh_CN"},
        {{NULL, NULL, "zh_CN.UTF-8@pinyin", NULL}, "zh_CN"},
        {{NULL, NULL, "zh_SG.UTF-8", NULL}, "zh_CN"},
        {{NULL, NULL, "zh", NULL}, "zh_CN"},
        {{NULL, NULL, "zh_TW.UTF-8", NULL}, NULL}, /* Traditional: not asked for */
        {{NULL, NULL, "zh_HK.UTF-8", NULL}, NULL},
        {{NULL, NULL, "zhx", NULL}, NULL},
        {{NULL, NULL, "de_DE.UTF-8", NULL}, NULL},
        /* The first of the three that is not empty. */
        {{"zh_CN.UTF-8", "C", "C", NULL}, "zh_CN"},
        {{"", "zh_CN.UTF-8", "C", NULL}, "zh_CN"},
        {{"en_US.UTF-8", "zh_CN.UTF-8", "zh_CN.UTF-8", NULL}, NULL},
        {{NULL, "C", "zh_CN.UTF-8", NULL}, NULL},
        /* LANGUAGE comes before it, and not in locale C. */
        {{NULL, NULL, "C.UTF-8", "zh_CN"}, "zh_CN"},
        {{NULL, NULL, "en_US.UTF-8", "zh_CN:en"}, "zh_CN"},
        {{NULL, NULL, "zh_CN.UTF-8", "en"}, NULL},
        {{NULL, NULL, "zh_CN.UTF-8", "en_GB:zh_CN"}, NULL},
        {{NULL, NULL, "zh_CN.UTF-8", "C"}, NULL},
        {{NULL, NULL, "zh_TW.UTF-8", "zh_TW:zh_CN:en"}, "zh_CN"},
        {{NULL, NULL, "zh_CN.UTF-8", "de:fr"}, "zh_CN"},
        {{NULL, NULL, "zh_CN.UTF-8", "::"}, "zh_CN"},
        {{NULL, NULL, "zh_CN.UTF-8", ""}, "zh_CN"},
        {{NULL, NULL, "C", "zh_CN"}, NULL},
        {{NULL, NULL, "POSIX", "zh_CN"}, NULL},
        {{NULL, NULL, NULL, "zh_CN"}, NULL},
        /* Nothing of it ever becomes a path. */
        {{NULL, NULL, "../../zh_CN", NULL}, NULL},
        {{NULL, NULL, "zh_CN/..", "zh_CN/../x"}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *chosen = language_choose(&cases[i].wish);
        if (cases[i].chosen)
            assert_string_equal(chosen, cases[i].chosen);
        else
            assert_null(chosen);
    }
}

static void test_utf8(void **state)
{
    (void)state;
    assert_true(language_is_utf8("zh_CN.UTF-8"));
    assert_true(language_is_utf8("zh_CN.utf8"));
    assert_true(language_is_utf8("C.utf-8@x"));
    assert_true(language_is_utf8("UTF-8"));
    assert_false(language_is_utf8("zh_CN"));
    assert_false(language_is_utf8("zh_CN.GB18030"));
    assert_false(language_is_utf8("zh_CN.UTF-16"));
    assert_false(language_is_utf8(""));
}

static void test_serial_lines(void **state)
{
    (void)state;
    assert_true(terminal_name_is_serial("/dev/ttyS0"));
    assert_true(terminal_name_is_serial("/dev/ttyAMA0"));
    assert_true(terminal_name_is_serial("/dev/hvc0"));
    assert_false(terminal_name_is_serial("/dev/tty1"));
    assert_false(terminal_name_is_serial("/dev/pts/3"));
    assert_false(terminal_is_serial(-1));
    assert_int_equal(terminal_width(-1, 77), 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_serial_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
