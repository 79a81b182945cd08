/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/trial.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "tests/model/driver.h"
#include "tests/model/limits.h"

#define ATTEMPTS       3    /* of lists that do not fail each time */
#define SHRINK_WAIT_MS 1500 /* what has not come by then will not come */

/* --- The folder ----------------------------------------------------------------------------- */

static char folder[] = "/tmp/derp-model-XXXXXX";
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    stopped = number;
}

void trial_start(void)
{
    struct sigaction action = {.sa_handler = on_signal}; /* interrupts waitpid */

    if (mkdtemp(folder) == NULL) {
        perror(folder);
        exit(2);
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* A run that failed leaves files behind. */
static void empty_folder(void)
{
    DIR *d = opendir(folder);
    struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL)
        unlinkat(dirfd(d), e->d_name, 0); /* not "." and ".." */
    if (d != NULL)
        closedir(d);
}

void trial_stop(void)
{
    empty_folder();
    rmdir(folder);
}

static _Noreturn void stop_now(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    trial_stop();
    exit(128 + stopped);
}

/* --- One run -------------------------------------------------------------------------------- */

static _Noreturn void run_here(const struct step *list, size_t count,
                               const struct trial_options *opt, size_t *progress)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    log_open("relay", LOG_LEVEL_WARNING);
    alarm((unsigned)opt->limit_s);
    driver_run(list, count, opt->nodes, folder, opt->patience_ms, opt->verbose, progress);
    exit(0); /* leaks are looked for here */
}

static void show(FILE *said, const struct trial_options *opt)
{
    char part[4096];
    size_t n;

    rewind(said);
    while (opt->show && (n = fread(part, 1, sizeof part, said)) > 0)
        fwrite(part, 1, n, stderr);
}

/* Memory that the child writes and we read, also when it crashes. */
static size_t *shared_number(void)
{
    static size_t *number;

    if (number == NULL)
        number =
            mmap(NULL, sizeof *number, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (number == MAP_FAILED)
        exit(2);
    *number = 0;
    return number;
}

enum trial_result trial_run(const struct step *list, size_t count, const struct trial_options *opt,
                            size_t *reached)
{
    size_t *progress = shared_number();
    FILE *said = tmpfile();
    enum trial_result result = TRIAL_FAILED;
    pid_t child;
    int status;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        if (said != NULL)
            dup2(fileno(said), STDERR_FILENO);
        run_here(list, count, opt, progress);
    }
    if (child < 0 || said == NULL) {
        perror("cannot run a trial");
        exit(2);
    }
    while (waitpid(child, &status, 0) < 0)
        if (stopped)
            stop_now(child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        result = TRIAL_PASSED;
    else if (WIFEXITED(status) && WEXITSTATUS(status) == DRIVER_TOO_SLOW)
        result = TRIAL_TOO_SLOW;
    else
        show(said, opt);
    if (opt->show && WIFSIGNALED(status))
        fprintf(stderr, "it ended by signal %d%s\n", WTERMSIG(status),
                WTERMSIG(status) == SIGALRM ? ": it took too long" : "");
    fclose(said);
    empty_folder();
    if (reached != NULL)
        *reached = *progress;
    return result;
}

/* --- Shrinking ------------------------------------------------------------------------------ */

struct shrinking {
    struct step *list;
    size_t count;
    struct trial_options opt;
    int64_t until_ms;
    int attempts; /* of a list before it counts as passing: threads race differently */
};

/* Goes on with this list instead, if it fails too; then without what came after the failure. */
static bool try_list(struct shrinking *s, const struct step *list, size_t count)
{
    size_t reached = 0;

    for (int i = 0; i < s->attempts && clock_mono_ms() < s->until_ms; i++) {
        if (trial_run(list, count, &s->opt, &reached) != TRIAL_FAILED)
            continue;
        s->count = reached > 0 && reached < count ? reached : count;
        memmove(s->list, list, s->count * sizeof *list);
        return true;
    }
    return false;
}

/* Leaves out those steps of [from, to) that the caller does not want. */
static bool try_without(struct shrinking *s, size_t from, size_t to,
                        bool (*unwanted)(const struct step *step, int what), int what)
{
    struct step *rest = mem_alloc(s->count + 1, sizeof *rest);
    size_t count = 0;
    bool ok = false;

    for (size_t i = 0; i < s->count; i++)
        if (i < from || i >= to || !unwanted(&s->list[i], what))
            rest[count++] = s->list[i];
    if (count < s->count)
        ok = try_list(s, rest, count);
    free(rest);
    return ok;
}

static bool any(const struct step *step, int what)
{
    (void)step;
    (void)what;
    return true;
}

static bool is_op(const struct step *step, int op)
{
    return (int)step->op == op;
}

static bool is_of_slot(const struct step *step, int slot)
{
    return step->op != STEP_QUIET && step->args[0] == slot;
}

/* Whole kinds of steps, then whole clients: that is quick, and what remains runs quickly. */
static void shrink_kinds(struct shrinking *s)
{
    try_without(s, 0, s->count, is_op, STEP_STARVE);
    try_without(s, 0, s->count, is_op, STEP_THIRST);
    for (int op = 0; op < STEP_OPS; op++)
        if (op != STEP_CONNECT)
            try_without(s, 0, s->count, is_op, op);
    for (int slot = 0; slot < SLOTS; slot++)
        try_without(s, 0, s->count, is_of_slot, slot);
}

/* Parts of n steps, from the end. */
static void shrink_parts(struct shrinking *s, size_t n)
{
    for (size_t to = s->count; to > 0 && clock_mono_ms() < s->until_ms;) {
        size_t from = to > n ? to - n : 0;
        try_without(s, from, to, any, 0);
        to = from < s->count ? from : s->count;
    }
}

size_t trial_shrink(struct step *list, size_t count, const struct trial_options *opt, int seconds)
{
    struct shrinking s = {
        .list = list, .count = count, .opt = *opt, .until_ms = clock_mono_ms() + seconds * 1000LL};
    size_t n, before;

    s.opt.show = s.opt.verbose = false;
    s.opt.patience_ms = SHRINK_WAIT_MS;
    s.attempts = 1;
    if (!try_list(&s, list, count))
        s.attempts = ATTEMPTS;
    shrink_kinds(&s);
    for (n = s.count / 2; n > 0 && clock_mono_ms() < s.until_ms; n /= 2)
        shrink_parts(&s, n < s.count ? n : s.count);
    do {
        before = s.count;
        shrink_parts(&s, 1);
    } while (s.count < before && clock_mono_ms() < s.until_ms);
    return s.count;
}
