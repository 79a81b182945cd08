/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.c"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include "tests/unit/unit.h"

static int real_stderr;
static int captured; /* a file in memory that stands for stderr */

static int redirect(void **s)
{
    (void)s;
    real_stderr = dup(STDERR_FILENO);
    captured = memfd_create("stderr", MFD_CLOEXEC);
    assert_true(real_stderr >= 0 && captured >= 0);
    assert_int_equal(dup2(captured, STDERR_FILENO), STDERR_FILENO);
    unsetenv("JOURNAL_STREAM");
    return 0;
}

static int restore(void **s)
{
    (void)s;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    close(captured);
    return 0;
}

static const char *written(void)
{
    static char text[1 << 20];
    ssize_t n = pread(captured, text, sizeof text - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static void plain_lines_carry_the_name(void **s)
{
    (void)s;
    log_open("derpd", LOG_LEVEL_DEBUG);
    log_error("a %d", 1);
    log_warning("b");
    log_notice("c");
    log_info("d");
    log_debug("e");
    assert_string_equal(written(), "derpd: error: a 1\nderpd: warning: b\nderpd: c\nderpd: d\n"
                                   "derpd: debug: e\n");
}

static void journal_lines_carry_the_level(void **s)
{
    (void)s;
    struct stat st;
    char stream[64];
    fstat(captured, &st);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open("derpd", LOG_LEVEL_INFO);
    log_error("a");
    log_info("b");
    assert_string_equal(written(), "<3>a\n<6>b\n");
}

static void inherited_journal_variable_is_not_believed(void **s)
{
    (void)s;
    setenv("JOURNAL_STREAM", "1:2", 1);
    log_open("derpd", LOG_LEVEL_INFO);
    log_info("b");
    assert_string_equal(written(), "derpd: b\n");
}

static void level_limits(void **s)
{
    (void)s;
    log_open("x", LOG_LEVEL_WARNING);
    log_notice("no");
    log_debug("no");
    log_warning("yes");
    assert_string_equal(written(), "x: warning: yes\n");
    assert_true(log_shows(LOG_LEVEL_ERROR));
    assert_false(log_shows(LOG_LEVEL_NOTICE));
}

static void one_event_is_one_line(void **s)
{
    (void)s;
    log_open("x", LOG_LEVEL_INFO);
    log_info("a\nx: error: forged\r\t\x1b[31m\x7f ü");
    assert_string_equal(written(), "x: a\\x0ax: error: forged\\x0d\\x09\\x1b[31m\\x7f ü\n");
}

static void long_messages_are_cut(void **s)
{
    (void)s;
    char text[9000];
    memset(text, '\n', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_open("x", LOG_LEVEL_INFO);
    log_info("%s", text);
    size_t n = strlen(written());
    assert_true(n <= LINE_BYTES);
    assert_int_equal(written()[n - 1], '\n');
    assert_ptr_equal(strchr(written(), '\n'), written() + n - 1);
}

static void errno_is_told_and_kept(void **s)
{
    (void)s;
    log_open("x", LOG_LEVEL_INFO);
    errno = ENOENT;
    log_errno("cannot open %s", "y");
    assert_int_equal(errno, ENOENT);
    close(STDERR_FILENO);
    log_error("nobody hears");
    assert_int_equal(errno, ENOENT);
    assert_string_equal(written(), "x: error: cannot open y: No such file or directory\n");
}

static void kinds_are_limited(void **s)
{
    (void)s;
    struct log_kind kind = {0};
    log_open("x", LOG_LEVEL_NOTICE);
    log_limited(&kind, LOG_LEVEL_DEBUG, "never");
    for (int i = 0; i < 5; i++)
        log_limited(&kind, LOG_LEVEL_NOTICE, "peer %d", i);
    assert_string_equal(written(), "x: peer 0\n");
    assert_int_equal(kind.held, 4);

    kind.next_ms = clock_mono_ms(); /* a minute later */
    log_limited(&kind, LOG_LEVEL_NOTICE, "peer 5");
    assert_string_equal(written(), "x: peer 0\nx: peer 5 (4 more like this were not shown)\n");
    assert_int_equal(kind.held, 0);
}

static void *shout(void *kind)
{
    for (int i = 0; i < 1000; i++) {
        log_limited(kind, LOG_LEVEL_NOTICE, "limited");
        if (i % 100 == 0)
            log_info("%0100d", i);
    }
    return NULL;
}

static void threads_share_a_kind(void **s)
{
    (void)s;
    struct log_kind kind = {0};
    pthread_t threads[4];
    fcntl(captured, F_SETFL, O_APPEND);
    log_open("x", LOG_LEVEL_INFO);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, shout, &kind);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);

    int limited = 0;
    int whole = 0;
    for (const char *p = written(); *p; p = strchr(p, '\n') + 1) {
        limited += strncmp(p, "x: limited\n", 11) == 0;
        whole += strcspn(p, "\n") == 103;
    }
    assert_int_equal(limited, 1);
    assert_int_equal(whole, 40);
    assert_int_equal(kind.held, 3999);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, redirect, restore)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plain_lines_carry_the_name),
        TEST(journal_lines_carry_the_level),
        TEST(inherited_journal_variable_is_not_believed),
        TEST(level_limits),
        TEST(one_event_is_one_line),
        TEST(long_messages_are_cut),
        TEST(errno_is_told_and_kept),
        TEST(kinds_are_limited),
        TEST(threads_share_a_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
