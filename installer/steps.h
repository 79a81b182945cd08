/* SPDX-License-Identifier: Apache-2.0 */
/* The run that sets up or repairs, as a table of steps: checks, plan, question, changes, proof. */
#ifndef INSTALLER_STEPS_H
#define INSTALLER_STEPS_H

#include "installer/setup.h"

/* Everything from the checks to the derpMap on standard output. */
enum setup_exit steps_run(struct setup *s);

#endif
