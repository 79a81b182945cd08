/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two processes are made for each program. The keeper leads the process group, starts the program
 * and waits for it; because it lives outside the program's code it can kill the whole group,
 * grandchildren included, at the moment we die (even by SIGKILL). It reports how the program ended
 * through a pipe, so that we need not touch the caller's SIGCHLD.
 */
#include "base/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/translate.h"

#define DEFAULT_OUTPUT (256 * 1024)
#define LINE_BYTES     4096
#define DRAIN_BYTES    65536 /* read of a stream before time and stop flag are looked at again */
#define STOP_POLL_MS   100   /* a stop flag set by another thread is seen this late */
#define STOP_GRACE_MS  3000  /* between SIGTERM and SIGKILL after a stop */
#define KEEPER_SIGNAL  SIGUSR1

static const char *const path_dirs[] = {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/", NULL};

/* What the keeper or the failed child says through the report pipe; smaller than PIPE_BUF. */
struct report {
    enum { REPORT_ENDED = 1, REPORT_NOT_STARTED } kind;
    int value; /* wait status, or errno */
};

/* Everything the new processes need, made before the fork: after it only async-signal-safe
 * calls are allowed, since other threads may have held any lock. */
struct plan {
    const char *const *argv;
    char **candidates; /* absolute paths to try, NULL-terminated */
    char **env;
    int in; /* descriptors of the child */
    int out;
    int err;
    int report;
};

/* One stream of output as we read it. */
struct stream {
    int fd;
    struct buf *all;
    char line[LINE_BYTES];
    size_t len;
};

/* One program while it runs, on our side. */
struct job {
    const struct run_options *opt;
    struct run_result *r;
    pid_t keeper;
    int report_fd;
    struct stream streams[2];
    int64_t deadline; /* monotonic ms: then SIGKILL */
    bool reported;
    struct report report;
};

/* --- In the new processes ----------------------------------------------------------------------
 */

static void reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void report_errno(int fd, int error)
{
    struct report report = {REPORT_NOT_STARTED, error};
    ssize_t ignored = write(fd, &report, sizeof report);
    (void)ignored;
    _exit(127);
}

/* Descriptors 0 to 2 as planned, 3 for the report, nothing else. closefrom() also works on kernels
 * without close_range (before 5.9), by /proc, and takes no lock and no memory. */
static bool arrange_descriptors(const struct plan *plan)
{
    /* First above the numbers to be assigned: a plan's descriptor may itself be 0, 1 or 2. */
    int in = fcntl(plan->in, F_DUPFD_CLOEXEC, 10);
    int out = fcntl(plan->out, F_DUPFD_CLOEXEC, 10);
    int err = fcntl(plan->err, F_DUPFD_CLOEXEC, 10);
    int report = fcntl(plan->report, F_DUPFD_CLOEXEC, 10);
    if (in < 0 || out < 0 || err < 0 || report < 0 || dup2(in, 0) != 0 || dup2(out, 1) != 1 ||
        dup2(err, 2) != 2 || dup3(report, 3, O_CLOEXEC) != 3)
        return false;
    closefrom(4);
    return true;
}

static _Noreturn void child(const struct plan *plan, pid_t keeper)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* The keeper may have died before prctl(). */
    if (getppid() != keeper)
        _exit(127);
    if (!arrange_descriptors(plan))
        report_errno(plan->report, errno);
    reset_signals();

    int error = ENOENT;
    for (char **path = plan->candidates; *path; path++) {
        execve(*path, (char *const *)plan->argv, plan->env);
        if (errno != ENOENT && errno != ENOTDIR)
            error = errno;
    }
    report_errno(3, error);
}

static _Noreturn void keep(const struct plan *plan, pid_t parent)
{
    sigset_t waited;
    setpgid(0, 0);
    reset_signals();
    sigemptyset(&waited);
    sigaddset(&waited, SIGCHLD);
    sigaddset(&waited, KEEPER_SIGNAL);
    sigaddset(&waited, SIGTERM); /* sent to the group by a stop: the program ends, then we */
    sigprocmask(SIG_BLOCK, &waited, NULL);
    prctl(PR_SET_PDEATHSIG, KEEPER_SIGNAL);

    pid_t self = getpid();
    pid_t pid = _Fork();
    if (pid < 0)
        report_errno(plan->report, errno);
    if (pid == 0)
        child(plan, self);

    /* Our copies of the caller's descriptors would keep its locks and pipes alive. */
    dup2(plan->report, 3);
    closefrom(4);
    close(0);
    close(1);
    close(2);

    struct report report = {.kind = REPORT_ENDED};
    while (waitpid(pid, &report.value, WNOHANG) != pid) {
        if (getppid() != parent)
            kill(0, SIGKILL);
        sigwaitinfo(&waited, NULL);
    }
    ssize_t ignored = write(3, &report, sizeof report);
    (void)ignored;
    _exit(0);
}

/* --- Preparation -------------------------------------------------------------------------------
 */

static char **make_candidates(const char *name)
{
    char **list = mem_alloc(sizeof path_dirs / sizeof *path_dirs + 1, sizeof *list);
    if (strchr(name, '/')) {
        list[0] = mem_strdup(name);
        return list;
    }
    for (size_t i = 0; path_dirs[i]; i++)
        list[i] = mem_printf("%s%s", path_dirs[i], name);
    return list;
}

static char **make_env(const char *const *extra)
{
    size_t n = 0;
    while (extra && extra[n])
        n++;
    char **env = mem_alloc(n + 5, sizeof *env);
    const char *home = getenv("HOME");
    env[0] = mem_strdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
    env[1] = mem_strdup("LC_ALL=C");
    env[2] = mem_strdup("LANGUAGE=C");
    env[3] = mem_printf("HOME=%s", home ? home : "/");
    for (size_t i = 0; i < n; i++)
        env[4 + i] = mem_strdup(extra[i]);
    return env;
}

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

/* stdin of the child: a file in memory, so that nobody waits for a reader or gets SIGPIPE. */
static int make_input(const char *input)
{
    if (!input)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    int fd = memfd_create("input", MFD_CLOEXEC);
    size_t n = strlen(input);
    if (fd < 0)
        return -1;
    for (size_t done = 0; done < n;) {
        ssize_t put = write(fd, input + done, n - done);
        if (put < 0) {
            close(fd);
            return -1;
        }
        done += (size_t)put;
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool make_pipe(int *reader, int *writer)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
    *reader = fds[0];
    *writer = fds[1];
    return fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0;
}

/* Starts the keeper; the plan's descriptors are closed here in every case. */
static bool start(struct job *job, const char *const argv[], struct fault *f)
{
    struct plan plan = {.argv = argv, .in = -1, .out = -1, .err = -1, .report = -1};
    bool ok = false;
    plan.candidates = make_candidates(argv[0]);
    plan.env = make_env(job->opt->env);
    plan.in = make_input(job->opt->input);
    if (plan.in < 0 || !make_pipe(&job->streams[0].fd, &plan.out) ||
        !make_pipe(&job->streams[1].fd, &plan.err) || !make_pipe(&job->report_fd, &plan.report)) {
        fault_errno(f, "cannot start %s", argv[0]);
        goto out;
    }

    pid_t self = getpid();
    job->keeper = fork();
    if (job->keeper == 0)
        keep(&plan, self);
    ok = job->keeper > 0 || fault_errno(f, "cannot start %s", argv[0]);
    /* Here as well as in the keeper: whoever comes first, a kill of the group finds it. */
    if (ok)
        setpgid(job->keeper, job->keeper);
out:
    close_fd(&plan.in);
    close_fd(&plan.out);
    close_fd(&plan.err);
    close_fd(&plan.report);
    free_list(plan.candidates);
    free_list(plan.env);
    return ok;
}

/* --- While it runs -----------------------------------------------------------------------------
 */

static void end_line(struct job *job, struct stream *s)
{
    if (s->len > 0 && s->line[s->len - 1] == '\r')
        s->len--;
    s->line[s->len] = '\0';
    s->len = 0;
    job->opt->on_line(job->opt->on_line_arg, s->line);
}

static void feed_lines(struct job *job, struct stream *s, const char *bytes, size_t n)
{
    if (!job->opt->on_line)
        return;
    for (size_t i = 0; i < n; i++) {
        /* A line too long to hold comes in pieces. */
        if (bytes[i] == '\n' || s->len == sizeof s->line - 1)
            end_line(job, s);
        if (bytes[i] != '\n' && bytes[i] != '\0')
            s->line[s->len++] = bytes[i];
    }
}

static void keep_output(struct job *job, struct stream *s, const char *bytes, size_t n)
{
    size_t room = s->all->max - s->all->len;
    if (n > room) {
        job->r->cut = true;
        n = room;
    }
    buf_append(s->all, bytes, n);
}

/* Reads what is there now, but little more than `most` bytes: it may come faster than it is read.
 * Closes the stream at its end. */
static void drain(struct job *job, struct stream *s, size_t most)
{
    char bytes[16384];
    for (size_t done = 0; s->fd >= 0 && done < most;) {
        ssize_t n = read(s->fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close_fd(&s->fd);
            return;
        }
        done += (size_t)n;
        keep_output(job, s, bytes, (size_t)n);
        feed_lines(job, s, bytes, (size_t)n);
    }
}

/* Reads the report; its end without one means that the keeper was killed. */
static void read_report(struct job *job)
{
    struct report report;
    ssize_t n;
    do
        n = read(job->report_fd, &report, sizeof report);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n == sizeof report && !job->reported) {
        job->report = report;
        job->reported = true;
    }
    close_fd(&job->report_fd);
}

/* Applies deadline and stop flag; returns how long poll() may wait. */
static int check_time(struct job *job)
{
    int64_t now = clock_mono_ms();
    bool stop = job->opt->stop && *job->opt->stop;
    if (stop && !job->r->stopped && !job->r->timed_out) {
        job->r->stopped = true;
        kill(-job->keeper, SIGTERM);
        if (job->deadline > now + STOP_GRACE_MS)
            job->deadline = now + STOP_GRACE_MS;
    }
    if (now >= job->deadline) {
        if (!job->r->stopped)
            job->r->timed_out = true;
        kill(-job->keeper, SIGKILL);
        return -1; /* nothing survives this; the report pipe's end wakes us */
    }
    int64_t left = job->deadline - now;
    if (job->opt->stop && left > STOP_POLL_MS)
        left = STOP_POLL_MS;
    return (int)left;
}

static void watch(struct job *job)
{
    while (job->report_fd >= 0) {
        struct pollfd fds[] = {
            {.fd = job->report_fd, .events = POLLIN},
            {.fd = job->streams[0].fd, .events = POLLIN},
            {.fd = job->streams[1].fd, .events = POLLIN},
        };
        int wait_ms = check_time(job);
        if (poll(fds, 3, wait_ms) < 0)
            continue;
        if (fds[1].revents)
            drain(job, &job->streams[0], DRAIN_BYTES);
        if (fds[2].revents)
            drain(job, &job->streams[1], DRAIN_BYTES);
        if (fds[0].revents)
            read_report(job);
    }
    /* No report: the keeper was killed, by us or by somebody else. What it kept goes too; as long
     * as it is not waited for, its number stands for this group only. */
    if (!job->reported)
        kill(-job->keeper, SIGKILL);
    while (waitpid(job->keeper, NULL, 0) < 0 && errno == EINTR)
        ;
    /* What was written before the end is in the pipes; a process left in the background may hold
     * them open and write on, so as much is read as a pipe holds and their own end is not waited
     * for. */
    for (int i = 0; i < 2; i++) {
        int held = fcntl(job->streams[i].fd, F_GETPIPE_SZ);
        drain(job, &job->streams[i], held > DRAIN_BYTES ? (size_t)held : DRAIN_BYTES);
        if (job->streams[i].len > 0)
            end_line(job, &job->streams[i]);
    }
}

static void conclude(struct job *job)
{
    struct run_result *r = job->r;
    int status = job->report.value;
    r->exit_code = -1;
    if (!job->reported)
        r->signal = SIGKILL; /* it went with its keeper */
    else if (WIFSIGNALED(status))
        r->signal = WTERMSIG(status);
    else if (!r->timed_out)
        r->exit_code = WEXITSTATUS(status);
}

bool run(const char *const argv[], const struct run_options *opt, struct run_result *r,
         struct fault *f)
{
    size_t max = opt->max_output ? opt->max_output : DEFAULT_OUTPUT;
    *r = (struct run_result){.exit_code = -1};
    buf_init(&r->out, max);
    buf_init(&r->err, max);

    struct job *job = mem_alloc(1, sizeof *job);
    job->opt = opt;
    job->r = r;
    job->report_fd = -1;
    job->streams[0].fd = job->streams[1].fd = -1;
    job->streams[0].all = &r->out;
    job->streams[1].all = &r->err;
    job->deadline = clock_mono_ms() + opt->timeout_ms;

    bool ok = start(job, argv, f);
    if (ok) {
        watch(job);
        conclude(job);
        if (job->reported && job->report.kind == REPORT_NOT_STARTED) {
            errno = job->report.value;
            ok = fault_errno(f, "cannot start %s", argv[0]);
            run_free(r);
        }
    }
    close_fd(&job->report_fd);
    close_fd(&job->streams[0].fd);
    close_fd(&job->streams[1].fd);
    free(job);
    return ok;
}

/* --- What came of it ---------------------------------------------------------------------------
 */

bool run_ok(const struct run_result *r)
{
    return r->exit_code == 0 && !r->timed_out && !r->stopped;
}

/* The last line that is not empty, in printable form. */
static void last_line(const struct buf *b, char *text, size_t cap)
{
    const char *all = buf_text(b);
    size_t end = strlen(all);
    while (end > 0 && strchr("\r\n\t ", all[end - 1]))
        end--;
    size_t start = end;
    while (start > 0 && all[start - 1] != '\n')
        start--;
    text_printable(all + start, end - start, text, cap);
}

void run_explain(const struct run_result *r, char *text, size_t cap)
{
    char how[64];
    if (r->stopped)
        translate_print(how, sizeof how, "stopped");
    else if (r->timed_out)
        translate_print(how, sizeof how, "did not end in time");
    else if (r->signal)
        translate_print(how, sizeof how, "ended by signal %d (%s)", r->signal,
                        sigabbrev_np(r->signal) ? sigabbrev_np(r->signal) : "?");
    else
        translate_print(how, sizeof how, "exit code %d", r->exit_code);

    char line[256];
    last_line(&r->err, line, sizeof line);
    if (!line[0])
        last_line(&r->out, line, sizeof line);
    translate_print(text, cap, "%s%s%s", how, line[0] ? ": " : "", line);
}

void run_free(struct run_result *r)
{
    buf_free(&r->out);
    buf_free(&r->err);
    *r = (struct run_result){.exit_code = -1};
}

bool run_checked(const char *const argv[], int timeout_ms, struct fault *f)
{
    struct run_options opt = {.timeout_ms = timeout_ms};
    struct run_result r = {0};
    char how[300];
    bool ok = run(argv, &opt, &r, f);

    if (ok && !run_ok(&r)) {
        run_explain(&r, how, sizeof how);
        ok = fault_set(f, "%s: %s", argv[0], how);
    }
    run_free(&r);
    return ok;
}
