/* SPDX-License-Identifier: Apache-2.0 */
#include "base/refill.c"

#include "base/mem.h"
#include "tests/unit/unit.h"

static char *loud(void *arg, const char *s)
{
    (void)arg;
    return strcmp(s, "word") == 0 ? mem_strdup("单词") : NULL;
}

/* The format of the program, its translation, what comes out (NULL: refused), the arguments. */
static void check(const char *format, const char *other, const char *wanted, ...)
{
    struct refill r;
    struct buf out;
    va_list args;
    va_start(args, wanted);
    bool fine = refill_take(&r, format, args);
    va_end(args);
    buf_init(&out, 4096);
    fine = fine && refill_fill(&r, other, loud, NULL, &out);
    assert_int_equal(fine, wanted != NULL);
    if (wanted)
        assert_string_equal(buf_text(&out), wanted);
    buf_free(&out);
}

static void test_order_and_words(void **state)
{
    (void)state;
    check("no arguments", "没有", "没有");
    check("100 %%", "百分之 %%", "百分之 %");
    check("%s of %d", "%2$d 之 %1$s", "3 之 b", "b", 3);
    check("%s of %d", "%s：%d", "单词：3", "word", 3);
    check("%s and %s", "只有 %2$s", "只有 单词", "a", "word");
    check("%s", "%1$s%1$s", "单词单词", "word");
    check("%s", "[%6s]", "[  单词]", "word"); /* columns, not bytes */
    check("%s", "[%-6s]", "[单词  ]", "word");
    check("%s", "[%.3s]", "[wor]", "word"); /* cut: no longer the word */
    check("%.3s", "%s", "单词", "word");
    check("%s", "%s", "(null)", (char *)NULL);
}

static void test_numbers(void **state)
{
    (void)state;
    check("%d %i %ld %lld", "%d %i %ld %lld", "-1 2 -3 4", -1, 2, -3L, 4LL);
    check("%u %lu %llu %x %X %o", "%6$o %5$X %4$x %3$llu %2$lu %1$u", "10 F f 3 2 1", 1U, 2UL, 3ULL,
          15U, 15U, 8U);
    check("%hhd %hd %hhu %hu", "%hhd %hd %hhu %hu", "-1 -1 255 65535", 255, 65535, 255, 65535);
    check("%zu %zd %jd %ju %td", "%zu %zd %jd %ju %td", "1 -2 -3 4 -5", (size_t)1, (ssize_t)-2,
          (intmax_t)-3, (uintmax_t)4, (ptrdiff_t)-5);
    check("%5d|%-5d|%05d|%+d|% d|%#x", "%5d|%-5d|%05d|%+d|% d|%#x", "    1|2    |00003|+4| 5|0x6",
          1, 2, 3, 4, 5, 6U);
    check("%.1f %8.3f %e %g", "%4$g %3$e %2$8.3f %1$.1f", "4 3.000000e+00    2.000 1.0", 1.0, 2.0,
          3.0, 4.0);
    check("%c%c", "%2$c%1$c", "ba", 'a', 'b');
    check("%lld:%02lld", "%lld 分 %02lld 秒", "3 分 07 秒", 3LL, 7LL);
    check("%-*s|", "%-*s|", "单词  |", 6, "word");
    check("%*d", "%*d", "7    ", -5, 7);
    check("%.*s", "%.*s", "wo", 2, "word");
    check("%.*s", "%.*s", "单词", -1, "word"); /* a negative precision is none */
    check("%.*f", "%.*f", "1.50", 2, 1.5);
}

static void test_what_does_not_fit(void **state)
{
    (void)state;
    check("%s", "%d", NULL, "a");
    check("%d", "%s", NULL, 1);
    check("%d", "%u", NULL, 1);
    check("%f", "%d", NULL, 1.0);
    check("%s", "%s %s", NULL, "a");
    check("%s", "%2$s", NULL, "a");
    check("%s", "%0$s", NULL, "a");
    check("%s", "%99999$s", NULL, "a");
    check("%s", "%9999s", NULL, "a");
    check("%s", "%.9999s", NULL, "a");
    check("%s", "%*s", NULL, "a");
    check("%d", "%*d", NULL, 100000);
    check("%s", "%-+ #0-+ s", NULL, "a");
    check("%s", "%n", NULL, "a");
    check("%s", "%", NULL, "a");
    check("%s", "%l", NULL, "a");
    check("%s", "%ls", NULL, "a");
    check("%s %d", "%2$*1$d", NULL, "a", 1);
    /* The program's own: nothing of it is translated then. */
    check("%p", "%p", NULL, NULL);
    check("%m", "%m", NULL);
    check("%2$s", "%s", NULL, "a", "b");
    check("%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d", "", NULL, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
          14, 15, 16, 17);
    check("%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%*d", "", NULL, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
          13, 14, 15, 16, 17, 18);
}

static void test_a_full_buffer(void **state)
{
    (void)state;
    struct refill r = {0};
    struct buf out;
    buf_init(&out, 3);
    assert_false(refill_fill(&r, "more", NULL, NULL, &out));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_words),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_a_full_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
