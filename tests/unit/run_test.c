/* SPDX-License-Identifier: Apache-2.0 */
/* Real processes throughout: what matters here is what the kernel does. */
#include "base/run.c"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/unit/run_shell.h"
#include "tests/unit/unit.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    unit_dir(dir);
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    unit_dir_remove(dir);
    return 0;
}

/* The pid that a script wrote to dir/name, once it has. */
static pid_t pid_from(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (int64_t end = clock_mono_ms() + 10000; clock_mono_ms() < end; usleep(2000)) {
        int pid = 0;
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        int got = fscanf(file, "%d\n", &pid);
        fclose(file);
        if (got == 1)
            return pid;
    }
    fail_msg("%s was never written", path);
    return 0;
}

/* Whether a process still runs; a zombie does not. */
static bool alive(pid_t pid)
{
    char path[64];
    char state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    fclose(file);
    return state != 'Z' && state != 'X';
}

static void assert_gone(pid_t pid)
{
    for (int64_t end = clock_mono_ms() + 10000; clock_mono_ms() < end; usleep(2000)) {
        if (!alive(pid))
            return;
    }
    fail_msg("process %d lives on", pid);
}

/* A script that sets traps, leaves its own pid and a grandchild's in the folder, and does the rest.
 */
static char *family(const char *traps, const char *rest)
{
    return mem_printf(
        "%s; cd %s; sleep 1000 & echo $! >grandchild.tmp; mv grandchild.tmp grandchild; "
        "echo $$ >child.tmp; mv child.tmp child; %s",
        traps, dir, rest);
}

static void captures_both_streams(void **state)
{
    (void)state;
    struct run_result r;
    start_ok(SHELL("echo out; echo err >&2; exit 3"), &plain, &r);
    assert_int_equal(r.exit_code, 3);
    assert_int_equal(r.signal, 0);
    assert_false(r.timed_out || r.stopped || r.cut);
    assert_string_equal(buf_text(&r.out), "out\n");
    assert_string_equal(buf_text(&r.err), "err\n");
    assert_false(run_ok(&r));
    char text[100];
    run_explain(&r, text, sizeof text);
    assert_string_equal(text, "exit code 3: err");
    run_free(&r);
    run_free(&r);
}

static void success(void **state)
{
    (void)state;
    struct run_result r;
    char text[100];
    start_ok(ARGV("true"), &plain, &r);
    assert_true(run_ok(&r));
    run_explain(&r, text, sizeof text);
    assert_string_equal(text, "exit code 0");
    run_free(&r);
}

static void cannot_start(void **state)
{
    (void)state;
    struct run_result r;
    struct fault f;
    char path[128];
    assert_false(run(ARGV("no-such-program"), &plain, &r, &f));
    assert_string_equal(f.text, "cannot start no-such-program: No such file or directory");
    assert_false(run_ok(&r));
    run_free(&r);
    unit_file(dir, "text", "no program\n", path);
    assert_false(run(ARGV(path), &plain, &r, &f));
    assert_non_null(strstr(f.text, "Permission denied"));
    run_free(&r);
    chmod(path, 0755);
    assert_false(run(ARGV(path), &plain, &r, &f));
    assert_non_null(strstr(f.text, "Exec format error"));
    run_free(&r);
    /* A name without slash is never looked up in the current folder. */
    int here = open(".", O_RDONLY | O_DIRECTORY);
    assert_int_equal(chdir(dir), 0);
    assert_false(run(ARGV("text"), &plain, &r, &f));
    assert_int_equal(fchdir(here), 0);
    close(here);
    run_free(&r);
}

static void no_shell_in_between(void **state)
{
    (void)state;
    struct run_result r;
    start_ok(ARGV("printf", "%s|", "a b", "$HOME", "*; exit 1"), &plain, &r);
    assert_string_equal(buf_text(&r.out), "a b|$HOME|*; exit 1|");
    run_free(&r);
}

/* Pitfall 8. */
static void environment_is_fixed(void **state)
{
    (void)state;
    struct run_result r;
    setenv("LEAKED", "1", 1);
    setenv("LANG", "de_DE.UTF-8", 1);
    setenv("HOME", "/home/x", 1);
    struct run_options opt = plain;
    opt.env = (const char *const[]){"DEBIAN_FRONTEND=noninteractive", NULL};
    start_ok(ARGV("env"), &opt, &r);
    assert_string_equal(buf_text(&r.out), "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nLC_ALL=C\n"
                                          "LANGUAGE=C\nHOME=/home/x\n"
                                          "DEBIAN_FRONTEND=noninteractive\n");
    run_free(&r);
    unsetenv("HOME");
    start_ok(SHELL("echo $HOME"), &plain, &r);
    assert_string_equal(buf_text(&r.out), "/\n");
    run_free(&r);
}

/* Pitfall 8. */
static void stdin_is_given_or_empty(void **state)
{
    (void)state;
    struct run_result r;
    struct run_options opt = plain;
    start_ok(ARGV("cat"), &opt, &r);
    assert_int_equal(r.out.len, 0);
    run_free(&r);

    char *large = mem_alloc(200001, 1);
    memset(large, 'i', 200000);
    opt.input = large;
    start_ok(ARGV("cat"), &opt, &r);
    assert_string_equal(buf_text(&r.out), large);
    run_free(&r);
    /* A child that never reads does not disturb us. */
    start_ok(ARGV("true"), &opt, &r);
    assert_true(run_ok(&r));
    run_free(&r);
    free(large);
}

static void descriptors_and_signals_are_clean(void **state)
{
    (void)state;
    struct run_result r;
    int leaked = open("/dev/null", O_RDONLY); /* without CLOEXEC */
    int high = fcntl(leaked, F_DUPFD, 200);
    sigset_t block;
    sigset_t before;
    sigfillset(&block);
    sigprocmask(SIG_BLOCK, &block, &before);
    void (*old)(int) = signal(SIGPIPE, SIG_IGN);
    struct run_result signals;
    start_ok(ARGV("ls", "/proc/self/fd"), &plain, &r);
    start_ok(ARGV("grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"), &plain, &signals);
    signal(SIGPIPE, old);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(leaked);
    close(high);
    assert_string_equal(buf_text(&r.out), "0\n1\n2\n3\n"); /* 3 is the folder being listed */
    unsigned long long blocked;
    unsigned long long ignored;
    assert_int_equal(
        sscanf(buf_text(&signals.out), "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    assert_int_equal(blocked, 0);
    /* signals 32 and 33 are libc's own: nobody can reset them if our parent ignored them */
    assert_int_equal(ignored & ~0x180000000ULL, 0);
    run_free(&signals);
    run_free(&r);
}

static void checked_says_how_it_ended(void **state)
{
    (void)state;
    struct fault f;
    assert_true(run_checked(ARGV("true"), 5000, &f));
    assert_false(run_checked(ARGV("sh", "-c", "echo sorry >&2; exit 3"), 5000, &f));
    assert_non_null(strstr(f.text, "sh: exit code 3"));
    assert_non_null(strstr(f.text, "sorry"));
    assert_false(run_checked(ARGV("sleep", "100"), 50, &f));
    assert_non_null(strstr(f.text, "sleep: "));
    assert_false(run_checked(ARGV("/nonexistent/program"), 5000, &f));
    assert_non_null(strstr(f.text, "/nonexistent/program"));
    assert_false(run_checked(ARGV("false"), 5000, NULL));
}

static void works_without_standard_descriptors(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct run_result r;
        struct fault f;
        close(0);
        close(1);
        close(2);
        bool ok = run(SHELL("cat; echo out; echo err >&2"), &plain, &r, &f);
        ok = ok && run_ok(&r) && strcmp(buf_text(&r.out), "out\n") == 0 &&
             strcmp(buf_text(&r.err), "err\n") == 0;
        run_free(&r);
        _exit(ok ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

/* From here on this process and its children run as on a kernel before 5.9. */
static bool forget_close_range(void)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof steps / sizeof *steps, .filter = steps};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* 0: the program has 0 to 2, and the keeper closes what it has from us, but for its report. */
static int run_on_an_old_kernel(void)
{
    struct run_result r;
    struct fault f = {.text = ""};
    int leaked = open("/dev/null", O_RDONLY); /* without CLOEXEC */
    if (leaked < 0 || !forget_close_range() || close_range(leaked, leaked, 0) == 0)
        return 1;
    bool ok =
        run(SHELL("ls /proc/self/fd; until [ \"$(ls /proc/$PPID/fd)\" = 3 ]; do sleep 0.01; done"),
            &plain, &r, &f);
    ok = ok && run_ok(&r) && strcmp(buf_text(&r.out), "0\n1\n2\n3\n") == 0;
    fprintf(stderr, "%s%s%s", ok ? "" : f.text, ok ? "" : buf_text(&r.out), ok ? "" : "\n");
    run_free(&r);
    return ok ? 0 : 2;
}

static void closes_descriptors_on_old_kernels(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(run_on_an_old_kernel());
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void ended_by_a_signal(void **state)
{
    (void)state;
    struct run_result r;
    char text[100];
    start_ok(SHELL("echo last words; kill -ABRT $$"), &plain, &r);
    assert_int_equal(r.exit_code, -1);
    assert_int_equal(r.signal, SIGABRT);
    assert_false(r.timed_out);
    run_explain(&r, text, sizeof text);
    assert_string_equal(text, "ended by signal 6 (ABRT): last words");
    run_free(&r);
}

static void deadline_kills_the_whole_group(void **state)
{
    (void)state;
    struct run_result r;
    struct run_options opt = {.timeout_ms = 600};
    char *script = family("trap '' TERM INT HUP", "echo before; while :; do sleep 1000; done");
    int64_t start = clock_mono_ms();
    start_ok(SHELL(script), &opt, &r);
    int64_t took = clock_mono_ms() - start;
    assert_true(took >= 600 && took < 10000);
    assert_true(r.timed_out);
    assert_false(r.stopped);
    assert_int_equal(r.exit_code, -1);
    assert_int_equal(r.signal, SIGKILL);
    assert_string_equal(buf_text(&r.out), "before\n");
    char text[100];
    run_explain(&r, text, sizeof text);
    assert_string_equal(text, "did not end in time: before");
    assert_gone(pid_from("child"));
    assert_gone(pid_from("grandchild"));
    run_free(&r);
    free(script);
}

static void *raise_flag(void *flag)
{
    pid_from("child");
    *(volatile int *)flag = 1;
    return NULL;
}

static void stop_ends_early(void **state)
{
    (void)state;
    volatile int flag = 0;
    struct run_result r;
    struct run_options opt = {.timeout_ms = 60000, .stop = &flag};
    char *script =
        family("exec 2>/dev/null; trap 'echo tidied; exit 7' TERM", "while :; do sleep 0.01; done");
    pthread_t thread;
    pthread_create(&thread, NULL, raise_flag, (void *)&flag);
    start_ok(SHELL(script), &opt, &r);
    pthread_join(thread, NULL);
    assert_true(r.stopped);
    assert_false(r.timed_out);
    assert_int_equal(r.exit_code, 7); /* it was allowed to end by itself */
    assert_string_equal(buf_text(&r.out), "tidied\n");
    assert_false(run_ok(&r));
    assert_gone(pid_from("grandchild")); /* SIGTERM goes to the group */
    char text[100];
    run_explain(&r, text, sizeof text);
    assert_string_equal(text, "stopped: tidied");
    run_free(&r);
    free(script);
}

static void stop_insists_after_the_grace_time(void **state)
{
    (void)state;
    volatile int flag = 0;
    struct run_result r;
    struct run_options opt = {.timeout_ms = 60000, .stop = &flag};
    char *script = family("trap '' TERM", "while :; do sleep 0.01; done");
    pthread_t thread;
    pthread_create(&thread, NULL, raise_flag, (void *)&flag);
    start_ok(SHELL(script), &opt, &r);
    pthread_join(thread, NULL);
    assert_true(r.stopped);
    assert_false(r.timed_out);
    assert_int_equal(r.signal, SIGKILL);
    assert_gone(pid_from("child"));
    run_free(&r);
    free(script);
}

/* The program and its children go with us even when we are killed without warning. */
static void children_die_with_us(void **state)
{
    (void)state;
    char *script = family("trap '' TERM INT HUP", "while :; do sleep 1000; done");
    char lock[128];
    snprintf(lock, sizeof lock, "%s/lock", dir);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct run_result r;
        struct fault f;
        int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        flock(fd, LOCK_EX);
        run(SHELL(script), &plain, &r, &f);
        _exit(0);
    }
    pid_t child_pid = pid_from("child");
    pid_t grandchild_pid = pid_from("grandchild");
    assert_true(alive(child_pid) && alive(grandchild_pid));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);

    /* Our locks are free at once: nothing that we started held them. */
    int fd = open(lock, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    close(fd);
    assert_gone(child_pid);
    assert_gone(grandchild_pid);
    free(script);
}

static void killed_keeper_takes_the_program_along(void **state)
{
    (void)state;
    struct run_result r;
    char *script = family(":", "kill -KILL $PPID; sleep 1000");
    start_ok(SHELL(script), &plain, &r);
    assert_int_equal(r.exit_code, -1);
    assert_int_equal(r.signal, SIGKILL);
    assert_gone(pid_from("child"));
    assert_gone(pid_from("grandchild"));
    run_free(&r);
    free(script);
}

static void background_process_is_not_waited_for(void **state)
{
    (void)state;
    struct run_result r;
    char *script = family(":", "echo done");
    start_ok(SHELL(script), &plain, &r); /* the grandchild holds our pipes open */
    assert_true(run_ok(&r));
    assert_string_equal(buf_text(&r.out), "done\n");
    pid_t pid = pid_from("grandchild");
    assert_true(alive(pid)); /* it may be a service that was meant to stay */
    kill(pid, SIGKILL);
    run_free(&r);
    free(script);
}

static void caller_may_reap_children_itself(void **state)
{
    (void)state;
    struct run_result r;
    void (*old)(int) = signal(SIGCHLD, SIG_IGN);
    start_ok(SHELL("exit 4"), &plain, &r);
    signal(SIGCHLD, old);
    assert_int_equal(r.exit_code, 4);
    run_free(&r);
}

static void *run_many(void *failures)
{
    for (int i = 0; i < 25; i++) {
        struct run_result r;
        struct fault f;
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        bool ok =
            run(ARGV("echo", number), &plain, &r, &f) && run_ok(&r) && atoi(buf_text(&r.out)) == i;
        if (!ok)
            __atomic_fetch_add((int *)failures, 1, __ATOMIC_RELAXED);
        run_free(&r);
    }
    return NULL;
}

static void threads_may_run_at_once(void **state)
{
    (void)state;
    int failures = 0;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, run_many, &failures);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(failures, 0);
}

/* No descriptor and no zombie stays behind. */
static int open_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void leaves_nothing_behind(void **state)
{
    (void)state;
    struct run_result r;
    struct fault f;
    int before = open_descriptors();
    for (int i = 0; i < 5; i++) {
        start_ok(ARGV("true"), &plain, &r);
        run_free(&r);
        run(ARGV("no-such-program"), &plain, &r, &f);
        run_free(&r);
    }
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(captures_both_streams),
        TEST(success),
        TEST(cannot_start),
        TEST(no_shell_in_between),
        TEST(environment_is_fixed),
        TEST(stdin_is_given_or_empty),
        TEST(descriptors_and_signals_are_clean),
        TEST(checked_says_how_it_ended),
        TEST(works_without_standard_descriptors),
        TEST(closes_descriptors_on_old_kernels),
        TEST(ended_by_a_signal),
        TEST(deadline_kills_the_whole_group),
        TEST(stop_ends_early),
        TEST(stop_insists_after_the_grace_time),
        TEST(children_die_with_us),
        TEST(killed_keeper_takes_the_program_along),
        TEST(background_process_is_not_waited_for),
        TEST(caller_may_reap_children_itself),
        TEST(threads_may_run_at_once),
        TEST(leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
