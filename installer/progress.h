/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line at the bottom of a terminal that shows what is going on and for how long, redrawn
 * every second by a thread of its own, because the work itself blocks.
 */
#ifndef INSTALLER_PROGRESS_H
#define INSTALLER_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

struct progress;

/* Draws the line and starts its clock. width: columns of the terminal. Free with progress_stop. */
struct progress *progress_start(FILE *out, int width, bool utf8, const char *label,
                                const char *doing);

/* Changes what it says. */
void progress_say(struct progress *p, const char *doing);

/* Wipes the line off the terminal and ends the thread. NULL is fine. */
void progress_stop(struct progress *p);

#endif
