/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C, SIGTERM and a lost terminal end a run early and in order. */
#ifndef INSTALLER_STOP_H
#define INSTALLER_STOP_H

#include <stdbool.h>

/*
 * From now on SIGINT, SIGTERM and SIGHUP only set the flag; a second SIGINT kills. SIGPIPE is
 * ignored: a reader that went away must not end a run in the middle of a change.
 */
void stop_install(void);

/* Non-zero once the run should end: for the stop fields of run_options and friends. */
const volatile int *stop_flag(void);
bool stop_wanted(void);

/* Sets the flag as a signal would, for a part of a run that has used up its time, and takes that
 * back; after stop_resume only a signal is left. */
void stop_expire(void);
void stop_resume(void);

/* Sleeps, at most ms milliseconds; less when the run should end. */
void stop_sleep(int ms);

#endif
