/* SPDX-License-Identifier: Apache-2.0 */
/* What programs write: how much of it is kept, what is seen of it, and what a flood holds up. */
#include "base/run.c"

#include "tests/unit/run_shell.h"
#include "tests/unit/unit.h"

/* Slower than what writes: there is always more to read. */
static void take_slowly(void *arg, const char *line)
{
    (void)line;
    ++*(long *)arg;
    usleep(1000);
}

/* Ends by itself after a while, or a failure would take for ever. */
#define FLOOD "timeout --foreground 12 yes $(printf %01000d 7)"

static void a_flood_does_not_outlast_the_deadline(void **state)
{
    (void)state;
    struct run_result r;
    long lines = 0;
    struct run_options opt = {
        .timeout_ms = 300, .max_output = 1000, .on_line = take_slowly, .on_line_arg = &lines};
    int64_t start = clock_mono_ms();
    start_ok(SHELL(FLOOD " & " FLOOD " >&2"), &opt, &r);
    assert_in_range(clock_mono_ms() - start, 300, 6000);
    assert_true(r.timed_out && r.cut);
    assert_true(lines > 0);
    run_free(&r);
}

static void stop_after_some(void *arg, const char *line)
{
    static long lines;
    take_slowly(&lines, line);
    if (lines == 200)
        *(volatile int *)arg = 1;
}

static void a_flood_does_not_drown_the_stop(void **state)
{
    (void)state;
    volatile int flag = 0;
    struct run_result r;
    struct run_options opt = {.timeout_ms = 60000,
                              .on_line = stop_after_some,
                              .on_line_arg = (void *)&flag,
                              .stop = &flag};
    int64_t start = clock_mono_ms();
    start_ok(SHELL(FLOOD), &opt, &r);
    assert_true(r.stopped);
    assert_true(clock_mono_ms() - start < 8000);
    run_free(&r);
}

/* What stays in the background keeps the pipe full. */
static void a_flood_from_the_background_is_left(void **state)
{
    (void)state;
    struct run_result r;
    long lines = 0;
    struct run_options opt = {
        .timeout_ms = 20000, .max_output = 100000, .on_line = take_slowly, .on_line_arg = &lines};
    int64_t start = clock_mono_ms();
    start_ok(SHELL("head -c 50000 /dev/zero | tr '\\0' x; echo; " FLOOD " & exit 0"), &opt, &r);
    assert_true(clock_mono_ms() - start < 8000);
    assert_true(run_ok(&r));
    assert_true(r.out.len >= 50001); /* what came before the end is there in whole */
    run_free(&r);
}

static void output_is_bounded(void **state)
{
    (void)state;
    struct run_result r;
    struct run_options opt = {.timeout_ms = 20000, .max_output = 1000};
    start_ok(SHELL("head -c 5000000 /dev/zero | tr '\\0' x; echo e >&2"), &opt, &r);
    assert_true(run_ok(&r));
    assert_true(r.cut);
    assert_int_equal(r.out.len, 1000);
    assert_string_equal(buf_text(&r.err), "e\n");
    run_free(&r);
}

struct lines {
    char text[20000];
    int count;
};

static void take_line(void *arg, const char *line)
{
    struct lines *l = arg;
    size_t n = strlen(l->text);
    l->count++;
    snprintf(l->text + n, sizeof l->text - n, "[%s]", line);
}

static void lines_come_as_they_are_written(void **state)
{
    (void)state;
    struct lines l = {.count = 0};
    struct run_result r;
    struct run_options opt = {.timeout_ms = 20000, .on_line = take_line, .on_line_arg = &l};
    start_ok(SHELL("printf 'a\\n\\nb\\r\\nrest'"), &opt, &r);
    assert_string_equal(l.text, "[a][][b][rest]");
    assert_string_equal(buf_text(&r.out), "a\n\nb\r\nrest");
    run_free(&r);

    memset(&l, 0, sizeof l);
    opt.max_output = 10; /* what is kept is bounded, what is seen is not */
    start_ok(SHELL("i=0; while [ $i -lt 100 ]; do echo line; i=$((i+1)); done"), &opt, &r);
    assert_int_equal(l.count, 100);
    assert_true(r.cut);
    run_free(&r);

    memset(&l, 0, sizeof l);
    start_ok(SHELL("head -c 10000 /dev/zero | tr '\\0' x"), &opt, &r);
    assert_int_equal(l.count, 3); /* 4095 + 4095 + 1810 */
    run_free(&r);
}

static void stop_from_on_line(void *arg, const char *line)
{
    if (strcmp(line, "enough") == 0)
        *(volatile int *)arg = 1;
}

static void a_line_may_stop_it(void **state)
{
    (void)state;
    volatile int flag = 0;
    struct run_result r;
    struct run_options opt = {.timeout_ms = 60000,
                              .on_line = stop_from_on_line,
                              .on_line_arg = (void *)&flag,
                              .stop = &flag};
    start_ok(SHELL("echo begin; echo enough >&2; sleep 1000"), &opt, &r);
    assert_true(r.stopped);
    assert_int_equal(r.signal, SIGTERM);
    run_free(&r);
}

static void explains_in_one_printable_line(void **state)
{
    (void)state;
    struct run_result r;
    char text[60];
    start_ok(SHELL("printf 'one\\n\\033[1mtwo\\n\\n  \\n' >&2; exit 1"), &plain, &r);
    run_explain(&r, text, sizeof text);
    assert_string_equal(text, "exit code 1: \\x1b[1mtwo");
    run_explain(&r, text, 12);
    assert_string_equal(text, "exit code 1");
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_does_not_outlast_the_deadline),
        cmocka_unit_test(a_flood_does_not_drown_the_stop),
        cmocka_unit_test(a_flood_from_the_background_is_left),
        cmocka_unit_test(output_is_bounded),
        cmocka_unit_test(lines_come_as_they_are_written),
        cmocka_unit_test(a_line_may_stop_it),
        cmocka_unit_test(explains_in_one_printable_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
