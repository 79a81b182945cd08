/* SPDX-License-Identifier: Apache-2.0 */
/* Who makes a pending change, and what /proc says about processes. */
#include "firewall/marker.c"
#include "firewall/process.c"

#include <signal.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "tests/unit/firewall_fixture.h"

static void test_marker(void **state)
{
    (void)state;
    struct marker m = {.boot = "0f1e2d3c-0000-4000-8000-0123456789ab",
                       .pid = 812,
                       .started = 99,
                       .wants_login = true,
                       .since = 1234,
                       .restoring = true};
    struct marker back;
    char *text = marker_print(&m);
    marker_parse(text, &back);
    free(text);
    assert_string_equal(m.boot, back.boot);
    assert_int_equal(m.pid, back.pid);
    assert_int_equal(m.started, back.started);
    assert_int_equal(m.wants_login, back.wants_login);
    assert_int_equal(m.since, back.since);
    assert_int_equal(m.restoring, back.restoring);
    /* Of an earlier version, cut off, nonsense: a marker still. */
    static const char *const texts[] = {
        "", "derp-setup changes the firewall\n", "pid",
        "pid \npid -1\npid 99999999999\nstarted x\nlogin 2\nsince -1\nrestoring 2\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        marker_parse(texts[i], &back);
        assert_int_equal(back.pid, 0);
        assert_int_equal(back.started, 0);
        assert_int_equal(back.since, 0);
        assert_false(back.wants_login);
        assert_false(back.restoring);
    }
    marker_parse("boot x\npid 7\nstarted 8", &back);
    assert_int_equal(back.pid, 7);
    assert_int_equal(back.started, 8);
}

static void test_stat(void **state)
{
    (void)state;
    struct process p;
    assert_true(process_parse_stat(
        "77 (a) S 1 (x) T) T 5 77 77 34816 77 4194304 1 0 0 0 3 4 0 0 20 0 1 0 4711 99 1\n", &p));
    assert_int_equal(p.pid, 77);
    assert_int_equal(p.parent, 5);
    assert_int_equal(p.state, 'T');
    assert_int_equal(p.tty, makedev(136, 0));
    assert_int_equal(p.started, 4711);
    assert_false(process_parse_stat("", &p));
    assert_false(process_parse_stat("77 (a", &p));
    assert_false(process_parse_stat("77 (a) S 5 77 77", &p));
    assert_false(process_parse_stat(") S 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0", &p));
}

static void test_processes(void **state)
{
    (void)state;
    struct process p, child;
    char boot[PROCESS_BOOT], again[PROCESS_BOOT];
    int status;
    assert_true(process_read(getpid(), &p));
    assert_int_equal(p.parent, getppid());
    assert_true(p.started <= process_now());
    process_boot(boot);
    process_boot(again);
    assert_string_equal(boot, again);
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    assert_true(process_read(pid, &child) && child.started >= p.started);
    assert_false(process_signal(pid, child.started + 1, SIGKILL));
    assert_false(process_signal(0, child.started, SIGKILL));
    assert_true(process_signal(pid, child.started, SIGKILL));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_false(process_read(pid, &p));
    assert_false(process_signal(pid, child.started, SIGKILL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_marker), cmocka_unit_test(test_stat),
                                       cmocka_unit_test(test_processes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
