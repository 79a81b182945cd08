/* SPDX-License-Identifier: Apache-2.0 */
#include "base/catalogue.c"

#include "base/mem.h"
#include "tests/unit/unit.h"

/* A file of three texts, sorted, in either byte order. */
struct file {
    unsigned char data[512];
    size_t len;
    bool big;
};

static void put(struct file *f, size_t at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        f->data[at + (size_t)(f->big ? 3 - i : i)] = (unsigned char)(value >> 8 * i);
}

static void put_string(struct file *f, size_t entry, const char *s)
{
    put(f, entry, (uint32_t)strlen(s));
    put(f, entry + 4, (uint32_t)f->len);
    memcpy(f->data + f->len, s, strlen(s) + 1);
    f->len += strlen(s) + 1;
}

static void make(struct file *f, bool big)
{
    static const char *const texts[][2] = {{"", "Language: zh_CN\n"},
                                           {"%s is\004free", "空闲"},
                                           {"empty", ""},
                                           {"free", "免费"},
                                           {"yes", "是"}};
    const size_t n = sizeof texts / sizeof *texts;
    *f = (struct file){.big = big, .len = HEADER + 2 * n * ENTRY};
    put(f, 0, MAGIC);
    put(f, 8, n);
    put(f, 12, HEADER);
    put(f, 16, HEADER + n * ENTRY);
    for (size_t i = 0; i < n; i++) {
        put_string(f, HEADER + i * ENTRY, texts[i][0]);
        put_string(f, HEADER + (n + i) * ENTRY, texts[i][1]);
    }
}

static void test_texts_are_found(void **state)
{
    (void)state;
    for (int big = 0; big < 2; big++) {
        struct file f;
        struct catalogue c;
        make(&f, big);
        assert_true(catalogue_open(&c, f.data, f.len));
        assert_string_equal(catalogue_get(&c, NULL, "yes"), "是");
        assert_string_equal(catalogue_get(&c, NULL, "free"), "免费");
        assert_string_equal(catalogue_get(&c, "%s is", "free"), "空闲");
        assert_null(catalogue_get(&c, "%s", "free"));
        assert_null(catalogue_get(&c, "%s is not", "free"));
        assert_null(catalogue_get(&c, "%s is", "yes"));
        assert_null(catalogue_get(&c, NULL, "no"));
        assert_null(catalogue_get(&c, NULL, "zzz"));
        assert_null(catalogue_get(&c, NULL, "empty")); /* not translated */
        assert_null(catalogue_get(&c, NULL, ""));
    }
}

static void test_bad_files_are_refused(void **state)
{
    (void)state;
    struct file f;
    struct catalogue c;
    make(&f, false);
    assert_false(catalogue_open(&c, f.data, HEADER - 1));
    assert_false(catalogue_open(&c, f.data, f.len - 1)); /* the last string does not end */
    static const struct {
        size_t at;
        uint32_t value;
    } bad[] = {
        {0, 0x12345678},    /* not the magic number */
        {4, 0x00010000},    /* another major revision */
        {8, COUNT_MAX + 1}, /* more texts than can be */
        {8, 60},            /* than fit */
        {12, 100000},       /* tables beyond the end */
        {16, 0xfffffff0},
        {HEADER, 5}, /* a length that meets no end */
        {HEADER, 0xffffffff},
        {HEADER + 4, 100000}, /* a string beyond the end */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        make(&f, false);
        put(&f, bad[i].at, bad[i].value);
        assert_false(catalogue_open(&c, f.data, f.len));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_are_found),
        cmocka_unit_test(test_bad_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
