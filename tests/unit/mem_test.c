/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.c"

#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/unit.h"

static void zeroes_what_it_gives(void **state)
{
    (void)state;
    unsigned char *p = mem_alloc(100, 3);
    for (int i = 0; i < 300; i++)
        assert_int_equal(p[i], 0);
    free(p);
}

static void nothing_is_still_something(void **state)
{
    (void)state;
    void *p = mem_alloc(0, 8);
    assert_non_null(p);
    p = mem_resize(p, 0, 8);
    assert_non_null(p);
    free(p);
    p = mem_resize(NULL, 2, 8);
    assert_non_null(p);
    free(p);
    p = mem_copy(NULL, 0);
    assert_non_null(p);
    free(p);
}

static void copies(void **state)
{
    (void)state;
    char *s = mem_strdup("abc");
    assert_string_equal(s, "abc");
    free(s);
    assert_null(mem_strdup(NULL));
    s = mem_printf("%s-%03d", "x", 7);
    assert_string_equal(s, "x-007");
    free(s);
    char *bytes = mem_copy("a\0b", 3);
    assert_memory_equal(bytes, "a\0b", 3);
    free(bytes);
}

static void keeps_content_when_resized(void **state)
{
    (void)state;
    int *list = mem_alloc(2, sizeof *list);
    list[1] = 42;
    list = mem_resize(list, 1000, sizeof *list);
    assert_int_equal(list[1], 42);
    free(list);
}

static void wipes(void **state)
{
    (void)state;
    char secret[] = "secret";
    mem_wipe(secret, sizeof secret);
    assert_memory_equal(secret, "\0\0\0\0\0\0", 7);
    mem_wipe(NULL, 0);
}

/* How a process ends that asks for the impossible. */
static int fate(void (*ask)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        ask();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void ask_overflow_alloc(void)
{
    volatile size_t huge = SIZE_MAX / 4 + 2; /* times 4 is 4 */
    free(mem_alloc(huge, 4));
}

static void ask_overflow_resize(void)
{
    volatile size_t huge = SIZE_MAX / 4 + 2; /* times 4 is 4 */
    free(mem_resize(NULL, huge, 4));
}

static void impossible_sizes_abort(void **state)
{
    (void)state;
    assert_int_equal(fate(ask_overflow_alloc), SIGABRT);
    assert_int_equal(fate(ask_overflow_resize), SIGABRT);
}

/* By default AddressSanitizer ends the process itself where malloc() would return NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroes_what_it_gives),
        cmocka_unit_test(nothing_is_still_something),
        cmocka_unit_test(copies),
        cmocka_unit_test(keeps_content_when_resized),
        cmocka_unit_test(wipes),
        cmocka_unit_test(impossible_sizes_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
