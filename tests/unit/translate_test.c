/* SPDX-License-Identifier: Apache-2.0 */
/* With a catalogue that msgfmt has made, as in the package. */
#include "base/translate.c"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/finding.h"
#include "base/run.h"
#include "tests/unit/unit.h"

static const char po[] = "msgid \"\"\n"
                         "msgstr \"Content-Type: text/plain; charset=UTF-8\\n\"\n"
                         "msgid \"cannot read %s\"\nmsgstr \"无法读取 %s\"\n"
                         "msgid \"the config is bad: %s\"\nmsgstr \"配置有误：%s\"\n"
                         "msgid \"%s of %s\"\nmsgstr \"%2$s 的 %1$s\"\n"
                         "msgid \"relay\"\nmsgstr \"中继\"\n"
                         "msgctxt \"%s of %s\"\nmsgid \"relay\"\nmsgstr \"中继服务器\"\n"
                         "msgid \"are free\"\nmsgstr \"空闲\"\n"
                         "msgid \"Permission denied\"\nmsgstr \"权限不够\"\n"
                         "msgid \" and %zu more\"\nmsgstr \"等另外 %zu 个\"\n";

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    char path[128], mo[256], folder[128];
    unit_dir(dir);
    snprintf(path, sizeof path, "%s/zh.po", dir);
    snprintf(folder, sizeof folder, "%s/zh_CN", dir);
    mkdir(folder, 0755);
    snprintf(folder, sizeof folder, "%s/zh_CN/LC_MESSAGES", dir);
    mkdir(folder, 0755);
    snprintf(mo, sizeof mo, "%s/derp-relay.mo", folder);
    FILE *f = fopen(path, "w");
    fputs(po, f);
    fclose(f);
    const char *const argv[] = {"msgfmt", "-o", mo, path, NULL};
    struct run_options opt = {.timeout_ms = 20000};
    struct run_result r;
    bool fine = run(argv, &opt, &r, NULL) && run_ok(&r);
    run_free(&r);
    return fine && translate_open(dir, "zh_CN") ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    translate_close();
    unit_dir_remove(dir);
    return 0;
}

static char *format(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = translate_format(format, args);
    va_end(args);
    return text;
}

static void assert_gone(char *text, const char *wanted)
{
    if (wanted)
        assert_string_equal(text, wanted);
    else
        assert_null(text);
    free(text);
}

static void test_texts(void **state)
{
    (void)state;
    assert_gone(translate_text("are free"), "空闲");
    assert_gone(translate_text("relay"), "中继");
    assert_gone(translate_text("unknown text"), "unknown text");
}

static void test_arguments(void **state)
{
    (void)state;
    assert_gone(format("cannot read %s", "/etc/x"), "无法读取 /etc/x");
    assert_gone(format("443/tcp %s", "are free"), "443/tcp 空闲");
    /* One word is translated in the sentence that the catalogue names, and is a name elsewhere. */
    assert_gone(format("%s of %s", "a", "relay"), "中继服务器 的 a");
    assert_gone(format("cannot read %s", "relay"), "无法读取 relay");
}

static void test_faults_become_arguments(void **state)
{
    (void)state;
    struct fault f;
    fault_set(&f, "cannot read %s", "/etc/x");
    assert_string_equal(f.text, "cannot read /etc/x");
    assert_gone(translate_text(f.text), "无法读取 /etc/x");
    assert_gone(format("the config is bad: %s", f.text), "配置有误：无法读取 /etc/x");
    fault_set(&f, "the config is bad: %s", f.text);
    assert_gone(translate_text(f.text), "配置有误：无法读取 /etc/x");
    errno = EACCES;
    fault_errno(&f, "cannot read %s", "/etc/y");
    assert_string_equal(f.text, "cannot read /etc/y: Permission denied");
    assert_gone(translate_text(f.text), "无法读取 /etc/y: 权限不够");
}

static void test_findings_have_both(void **state)
{
    (void)state;
    struct findings all = {0};
    size_t at = finding_add(&all, SEVERITY_FAIL, "a.b", "cannot read %s", "/etc/x");
    finding_fix(&all, at, "the config is bad: %s", "x");
    assert_string_equal(all.list[0].message, "cannot read /etc/x");
    assert_string_equal(finding_shown_message(&all.list[0]), "无法读取 /etc/x");
    assert_string_equal(all.list[0].fix, "the config is bad: x");
    assert_string_equal(finding_shown_fix(&all.list[0]), "配置有误：x");
    char *json = findings_json(&all);
    assert_non_null(strstr(json, "\"message\":\"cannot read /etc/x\""));
    assert_null(strstr(json, "无"));
    free(json);
    findings_free(&all);
}

static void test_parts(void **state)
{
    (void)state;
    char text[40], small[8];
    struct buf b;
    translate_print(text, sizeof text, "cannot read %s", "/x");
    translate_append(text, sizeof text, " and %zu more", (size_t)3);
    assert_string_equal(text, "cannot read /x and 3 more");
    assert_gone(format("%s", text), "无法读取 /x等另外 3 个");
    /* Its own text as an argument. */
    translate_print(text, sizeof text, "the config is bad: %s", text);
    assert_gone(format("%s", text), "配置有误：无法读取 /x等另外 3 个");
    translate_print(small, sizeof small, "cannot read %s", "/x");
    assert_string_equal(small, "cannot ");
    assert_gone(format("%s", small), "无法读取 /x");
    char *heap = translate_new("cannot read %s", "/heap");
    assert_gone(format("%s", heap), "无法读取 /heap");
    free(heap);
    buf_init(&b, 100);
    translate_buf(&b, "cannot read %s", "/b");
    translate_buf(&b, " and %zu more", (size_t)1);
    assert_string_equal(buf_text(&b), "cannot read /b and 1 more");
    assert_gone(format("%s", buf_text(&b)), "无法读取 /b等另外 1 个");
    buf_free(&b);
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    char english[40], shown[40];
    for (int i = 0; i < 3 * LEARNT_MAX; i++) {
        snprintf(english, sizeof english, "text %d", i);
        snprintf(shown, sizeof shown, "文 %d", i);
        translate_learn(english, shown);
        translate_learn(english, shown); /* takes no room of its own */
    }
    assert_gone(translate_text("text 1"), "text 1");
    snprintf(english, sizeof english, "text %d", 2 * LEARNT_MAX);
    snprintf(shown, sizeof shown, "文 %d", 2 * LEARNT_MAX);
    assert_gone(translate_text(english), shown);
    translate_learn("again", "再");
    translate_learn("again", "又");
    assert_gone(translate_text("again"), "又");
}

/* The last: it closes the catalogue. */
static void test_english(void **state)
{
    (void)state;
    char text[40];
    translate_close();
    assert_gone(format("cannot read %s", "/x"), NULL);
    assert_gone(translate_text("relay"), "relay");
    translate_learn("a", "b");
    assert_gone(translate_text("a"), "a");
    translate_print(text, sizeof text, "cannot read %s", "/x");
    translate_append(text, sizeof text, ", %d", 1);
    assert_string_equal(text, "cannot read /x, 1");
    assert_false(translate_open(dir, "xx"));
    assert_false(translate_open("/dev", "null"));
    assert_true(translate_open(dir, "zh_CN"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_faults_become_arguments),
        cmocka_unit_test(test_findings_have_both),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_english),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
