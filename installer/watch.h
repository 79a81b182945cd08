/* SPDX-License-Identifier: Apache-2.0 */
/* status --watch: the same screen again and again. */
#ifndef INSTALLER_WATCH_H
#define INSTALLER_WATCH_H

#include "installer/setup.h"

/* Shows the relay of s (after setup_load) every two seconds until a signal comes, which is no
 * failure: EXIT_DONE. On a terminal in place, elsewhere one block after the other. */
enum setup_exit watch_run(struct setup *s);

#endif
