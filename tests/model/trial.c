/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/trial.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "tests/model/driver.h"

#define ATTEMPTS       2    /* of a list before it counts as passing: threads race differently */
#define SHRINK_WAIT_MS 3000 /* what has not come by then will not come */

/* --- One run -------------------------------------------------------------------------------- */

static _Noreturn void run_here(const struct step *list, size_t count,
                               const struct trial_options *opt)
{
    char dir[] = "/tmp/derp-model-XXXXXX";

    log_open("relay", LOG_LEVEL_WARNING);
    if (mkdtemp(dir) == NULL)
        exit(2);
    alarm((unsigned)opt->limit_s);
    driver_run(list, count, opt->nodes, dir, opt->patience_ms, opt->verbose);
    rmdir(dir);
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

enum trial_result trial_run(const struct step *list, size_t count, const struct trial_options *opt)
{
    FILE *said = tmpfile();
    enum trial_result result = TRIAL_FAILED;
    pid_t child;
    int status;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        if (said != NULL)
            dup2(fileno(said), STDERR_FILENO);
        run_here(list, count, opt);
    }
    if (child < 0 || said == NULL || waitpid(child, &status, 0) < 0) {
        perror("cannot run a trial");
        exit(2);
    }
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
    return result;
}

/* --- Shrinking ------------------------------------------------------------------------------ */

static bool fails(const struct step *list, size_t count, const struct trial_options *opt)
{
    for (int i = 0; i < ATTEMPTS; i++)
        if (trial_run(list, count, opt) == TRIAL_FAILED)
            return true;
    return false;
}

/* The list without [at, at + n). */
static struct step *without(const struct step *list, size_t count, size_t at, size_t n)
{
    struct step *rest = mem_alloc(count + 1, sizeof *rest);

    memcpy(rest, list, at * sizeof *rest);
    memcpy(rest + at, list + at + n, (count - at - n) * sizeof *rest);
    return rest;
}

/* One pass from the end, leaving out n at a time. */
static size_t pass(struct step *list, size_t count, size_t n, const struct trial_options *opt,
                   int64_t until)
{
    size_t at = count;

    while (at > 0 && clock_mono_ms() < until) {
        size_t len = n < at ? n : at;
        struct step *rest;

        at -= len;
        rest = without(list, count, at, len);
        if (fails(rest, count - len, opt)) {
            count -= len;
            memcpy(list, rest, count * sizeof *list);
        }
        free(rest);
    }
    return count;
}

size_t trial_shrink(struct step *list, size_t count, const struct trial_options *opt, int seconds)
{
    struct trial_options quick = *opt;
    int64_t until = clock_mono_ms() + seconds * 1000LL;
    size_t n = count / 2, before;

    quick.show = quick.verbose = false;
    quick.patience_ms = SHRINK_WAIT_MS;
    while (n > 0 && clock_mono_ms() < until) {
        before = count;
        count = pass(list, count, n, &quick, until);
        if (n == 1 && count == before)
            break;
        n = n > 1 ? n / 2 : 1;
        n = n < count ? n : count;
    }
    return count;
}
