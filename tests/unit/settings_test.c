/* SPDX-License-Identifier: Apache-2.0 */
#include "base/settings.c"

#include "tests/unit/unit.h"

struct sample {
    char *name;
    char *path;
    bool flag;
    uint64_t rate;
};

static const struct setting rows[] = {
    {"one", "name", setting_string, offsetof(struct sample, name)},
    {"one", "flag", setting_bool, offsetof(struct sample, flag)},
    {"two", "path", setting_path, offsetof(struct sample, path)},
    {"two", "rate", setting_rate, offsetof(struct sample, rate)},
};

static struct sample sample;

static int forget(void **state)
{
    (void)state;
    free(sample.name);
    free(sample.path);
    memset(&sample, 0, sizeof sample);
    return 0;
}

static void reads(const char *text)
{
    struct fault f = {.text = ""};
    forget(NULL);
    if (!settings_read("t.conf", text, rows, 4, &sample, &f))
        fail_msg("%s", f.text);
}

static void refuses(const char *text, const char *reason)
{
    struct fault f = {.text = "no reason"};
    forget(NULL);
    if (settings_read("t.conf", text, rows, 4, &sample, &f))
        fail_msg("accepted: %s", text);
    if (!strstr(f.text, reason))
        fail_msg("\"%s\" is not in \"%s\"", reason, f.text);
    assert_false(settings_read("t.conf", text, rows, 4, &sample, NULL));
}

static void reads_values(void **state)
{
    (void)state;
    reads("[one]\nname = a b\nflag=yes\n\n[two]\n  path\t=  /x/y  \nrate = 4mbit");
    assert_string_equal(sample.name, "a b");
    assert_string_equal(sample.path, "/x/y");
    assert_true(sample.flag);
    assert_int_equal(sample.rate, 4000000);
}

static void empty_files_and_values(void **state)
{
    (void)state;
    reads("");
    reads("\n\n# nothing\n");
    reads("[one]\n[two]\n[one]\n");
    reads("[one]\nname =\n[two]\npath = # nothing\n");
    assert_null(sample.name);
    assert_null(sample.path);
}

static void comments(void **state)
{
    (void)state;
    reads("# top\n; top\n  # indented\n[one] # after a section\nname = a # b\nflag = on\t; c\n");
    assert_string_equal(sample.name, "a");
    assert_true(sample.flag);
    reads("[one]\nname = a#b;c = d\n");
    assert_string_equal(sample.name, "a#b;c = d");
    reads("[one]\nname = # a\n");
    assert_null(sample.name);
}

static void other_editors(void **state)
{
    (void)state;
    reads("\xef\xbb\xbf[one]\r\nname = a\r\nflag = no\r\n");
    assert_string_equal(sample.name, "a");
    reads("[one]\nname : a\n");
    assert_string_equal(sample.name, "a");
}

static void sections_may_return(void **state)
{
    (void)state;
    reads("[one]\nname = a\n[two]\npath = b\n[one]\nflag = yes\n");
    assert_true(sample.flag);
}

static void unknown_names(void **state)
{
    (void)state;
    refuses("\n[on]\nname = a\n", "t.conf:2: unknown section [on]; there are [one] [two]");
    refuses("[one]\n[three]\n", "t.conf:2: unknown section [three]");
    refuses("[one]\n\nnmae = a\n", "t.conf:3: unknown key \"nmae\" in [one]; it has name flag");
    refuses("[one]\npath = a\n", "t.conf:2: unknown key \"path\" in [one]");
    refuses("[One]\n", "t.conf:1: unknown section");
    refuses("[one]\nName = a\n", "t.conf:2: unknown key");
    refuses("name = a\n[one]\n", "t.conf:1: a key stands before the first [section]");
    refuses("[one]\n\x1b[1m = a\n", "\\x1b[1m");
}

static void twice(void **state)
{
    (void)state;
    refuses("[one]\nname = a\nflag = 1\nname = a\n",
            "t.conf:4: name is given twice, first in line 2");
    refuses("[one]\nname =\n[one]\nname = b\n", "t.conf:4: name is given twice, first in line 2");
    refuses("[one]\nname = a\n  name = b\n", "t.conf:3: name is given twice");
}

static void no_continuation_lines(void **state)
{
    (void)state;
    refuses("[one]\nname = a\n  b\n", "t.conf:3: expected [section], key = value or a comment");
}

static void bad_lines(void **state)
{
    (void)state;
    refuses("[one\nname = a\n", "t.conf:1: expected [section] alone");
    refuses("[one] name = a\n", "t.conf:1: expected [section] alone");
    refuses("[one]\nnonsense\n", "t.conf:2: expected [section], key = value or a comment");
    refuses("[one]\nnonsense\nflag = maybe\n", "t.conf:2: expected [section]");
    refuses("[one]\nflag = maybe\nnonsense\n", "t.conf:2: flag: expected yes or no");
    refuses("[one]\n= a\n", "t.conf:2: ");
}

static void bad_values(void **state)
{
    (void)state;
    refuses("[one]\nflag = maybe\n", "t.conf:2: flag: expected yes or no, found \"maybe\"");
    refuses("[one]\nflag =\n", "t.conf:2: flag: expected yes or no, found \"\"");
    refuses("[two]\nrate = 4\n", "t.conf:2: rate: expected a rate such as 4mbit");
    refuses("[two]\npath = a\x01\n", "t.conf:2: path: a path has no control characters");
}

static void long_lines(void **state)
{
    (void)state;
    char text[5000];
    /* More than builds of inih take, and never cut without a word. */
    for (int n = 180; n < 220; n++) {
        snprintf(text, sizeof text, "[one]\nname = %0*d\nflag = yes\n", n, 7);
        reads(text);
        assert_int_equal(strlen(sample.name), n);
        assert_true(sample.flag);
    }
    snprintf(text, sizeof text, "[one]\nname   =  a %01800d = b  # = c\n", 7);
    reads(text);
    assert_int_equal(strlen(sample.name), 1806);
    assert_string_equal(sample.name + 1800, "07 = b");
    snprintf(text, sizeof text, "[one]\nname = %04000d\n", 7);
    refuses(text, "t.conf:2: the line is longer than 4000 characters");
    snprintf(text, sizeof text, "[one]\n%0300d = a\n", 7);
    refuses(text, "t.conf:2: the line is longer than 198 characters");
    snprintf(text, sizeof text, "[one]\n%0300d\n", 7);
    refuses(text, "t.conf:2: the line is longer than 198 characters");
    snprintf(text, sizeof text, "[one]\nnone = %0300d\n", 7);
    refuses(text, "t.conf:2: unknown key \"none\"");
    /* Whichever of : and = comes first. */
    snprintf(text, sizeof text, "[one]\nname: url:https://a/?x=1&y=%0300d&mode=anyone\n", 7);
    reads(text);
    assert_true(text_starts(sample.name, "url:https://a/?x=1&y=0"));
    assert_int_equal(strlen(sample.name), 333);
    snprintf(text, sizeof text, "[one]\nname = url:https://a/?x=1&y=%0300d&mode=anyone\n", 7);
    reads(text);
    assert_int_equal(strlen(sample.name), 333);
    /* What does not count, does not count. */
    snprintf(text, sizeof text, "[one]\n%500sname = a # %0500d\n#%0500d\n", "", 7, 7);
    reads(text);
    assert_string_equal(sample.name, "a");
    snprintf(text, sizeof text, "[%0150d]\n", 7);
    refuses(text, "t.conf:1: unknown section");
    snprintf(text, sizeof text, "[one]\n%0150d = a\n", 7);
    refuses(text, "t.conf:2: unknown key");
}

static void bools(void **state)
{
    (void)state;
    static const char *const yes[] = {"yes", "on", "true", "1", "Yes", "TRUE"};
    static const char *const no[] = {"no", "off", "false", "0", "No"};
    static const char *const bad[] = {"", "2", "y", "yes no", "truee"};
    bool flag = false;
    struct fault f;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        flag = false;
        assert_true(setting_bool(yes[i], &flag, &f));
        assert_true(flag);
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        flag = true;
        assert_true(setting_bool(no[i], &flag, &f));
        assert_false(flag);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(setting_bool(bad[i], &flag, &f));
}

static void rate_off(void **state)
{
    (void)state;
    uint64_t rate = 7;
    struct fault f;
    assert_true(setting_rate("off", &rate, &f));
    assert_int_equal(rate, 0);
    assert_false(setting_rate("", &rate, &f));
    assert_false(setting_rate("0mbit", &rate, &f));
}

static void strings_replace_strings(void **state)
{
    (void)state;
    char *s = mem_strdup("default");
    struct fault f;
    assert_true(setting_string("other", &s, &f));
    assert_string_equal(s, "other");
    assert_true(setting_string("", &s, &f));
    assert_null(s);
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_values),
        TEST(empty_files_and_values),
        TEST(comments),
        TEST(other_editors),
        TEST(sections_may_return),
        TEST(unknown_names),
        TEST(twice),
        TEST(no_continuation_lines),
        TEST(bad_lines),
        TEST(bad_values),
        TEST(long_lines),
        TEST(bools),
        TEST(rate_off),
        TEST(strings_replace_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
