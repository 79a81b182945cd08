/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into derp-acme by tests: another time of day, and death by SIGKILL at a chosen change
 * of the disk.
 *
 *   SHIM_CLOCK=SECONDS    added to the wall clock
 *   SHIM_KILL=N           die just before the N-th (0, 1, …) rename, symlink, mkdir or unlink
 *   SHIM_COUNT=FILE       write there how many there were, at exit
 *   SHIM_JOURNAL=FILE     append there what would go to the journal, a field a line
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

static int steps;

static void step(void)
{
    const char *kill_at = getenv("SHIM_KILL");
    if (kill_at && atoi(kill_at) == steps)
        kill(getpid(), SIGKILL);
    steps++;
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("SHIM_COUNT");
    FILE *out = path ? fopen(path, "w") : NULL;
    if (!out)
        return;
    fprintf(out, "%d\n", steps);
    fclose(out);
}

int rename(const char *from, const char *to)
{
    step();
    return ((int (*)(const char *, const char *))real("rename"))(from, to);
}

int symlink(const char *target, const char *path)
{
    step();
    return ((int (*)(const char *, const char *))real("symlink"))(target, path);
}

int mkdir(const char *path, mode_t mode)
{
    step();
    return ((int (*)(const char *, mode_t))real("mkdir"))(path, mode);
}

int unlink(const char *path)
{
    step();
    return ((int (*)(const char *))real("unlink"))(path);
}

int unlinkat(int dir, const char *path, int flags)
{
    step();
    return ((int (*)(int, const char *, int))real("unlinkat"))(dir, path, flags);
}

int sd_journal_sendv(const struct iovec *fields, int count)
{
    const char *path = getenv("SHIM_JOURNAL");
    FILE *out = path ? fopen(path, "a") : NULL;
    if (!out)
        return -1;
    for (int i = 0; i < count; i++)
        fprintf(out, "%.*s\n", (int)fields[i].iov_len, (const char *)fields[i].iov_base);
    fclose(out);
    return 0;
}

static time_t offset(void)
{
    const char *seconds = getenv("SHIM_CLOCK");
    return seconds ? (time_t)atoll(seconds) : 0;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    int code = ((int (*)(clockid_t, struct timespec *))real("clock_gettime"))(id, t);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
        t->tv_sec += offset();
    return code;
}
