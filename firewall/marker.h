/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in the marker of a pending change: which run makes it, and what it waits for. Pure.
 */
#ifndef FIREWALL_MARKER_H
#define FIREWALL_MARKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "firewall/process.h"

struct marker {
    char boot[PROCESS_BOOT]; /* the boot in which the numbers below count */
    pid_t pid;               /* the run, or who restores; 0: unknown */
    uint64_t started;        /* when it began, process.started */
    bool wants_login;        /* kept only once somebody has logged in anew */
    uint64_t since;          /* what is later is new, process.started; 0: not waiting yet */
    bool restoring;          /* the former rules are on their way back */
};

/* The marker's text; free() it. */
char *marker_print(const struct marker *m);

/* Reads it back. What is missing or no longer readable is zero: a marker without any of it, such
 * as one cut off by a power loss, is a marker still. */
void marker_parse(const char *text, struct marker *m);

#endif
