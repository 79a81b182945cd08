/* SPDX-License-Identifier: Apache-2.0 */
/* Starts other programs: no shell, a fixed environment, a deadline, bounded output. */
#ifndef BASE_RUN_H
#define BASE_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/fault.h"

struct run_options {
    /* > 0; the child's whole process group is killed after it. */
    int timeout_ms;
    /* Bytes kept of stdout and of stderr each; 0: 256 KiB. More is read and dropped, and
     * run_result.cut is set. */
    size_t max_output;
    /* Given to the child on stdin; NULL: /dev/null. */
    const char *input;
    /* Extra "NAME=value" strings, NULL-terminated; NULL: none. */
    const char *const *env;
    /* Called for each line of either stream as it comes, for progress; may be NULL. A line longer
     * than 4 KiB comes in pieces. */
    void (*on_line)(void *arg, const char *line);
    void *on_line_arg;
    /* When *stop becomes non-zero the group gets SIGTERM, and SIGKILL 3 seconds later; may be NULL.
     */
    const volatile int *stop;
};

struct run_result {
    int exit_code; /* 0..255; -1 when ended by a signal or by the deadline */
    int signal;    /* signal that ended it, or 0 */
    bool timed_out;
    bool stopped;   /* ended because of run_options.stop */
    bool cut;       /* output exceeded max_output */
    struct buf out; /* what it wrote to stdout / stderr */
    struct buf err;
};

/*
 * Runs argv[0] (looked up in the fixed PATH /usr/sbin:/usr/bin:/sbin:/bin unless it has a slash)
 * and waits. The environment is empty but for PATH, LC_ALL=C, LANGUAGE=C, HOME and opt->env;
 * the child has its own process group and no inherited descriptors, and the group dies with us
 * (PR_SET_PDEATHSIG: with the calling thread). A process that the child leaves in the background is
 * not waited for and lives on. Returns false only when it could not be started; the result is then
 * empty. Free the result with run_free in both cases.
 */
bool run(const char *const argv[], const struct run_options *opt, struct run_result *r,
         struct fault *f);

/* True when it ended by itself with exit code 0. */
bool run_ok(const struct run_result *r);

/* One line that says how it ended ("exit code 1: <last line of stderr>"), for faults and logs. */
void run_explain(const struct run_result *r, char *text, size_t cap);

/* Runs a program for its effect alone: true when it ended by itself with exit code 0, otherwise its
 * name and how it ended. */
bool run_checked(const char *const argv[], int timeout_ms, struct fault *f);

/* Frees the output. Safe on a zeroed result. */
void run_free(struct run_result *r);

#endif
