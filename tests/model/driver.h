/* SPDX-License-Identifier: Apache-2.0 */
/* Takes steps on real relays and holds what happens against the model. */
#ifndef TESTS_MODEL_DRIVER_H
#define TESTS_MODEL_DRIVER_H

#include "tests/model/step.h"

#define DRIVER_TOO_SLOW                                                                            \
    77 /* exit status: the machine stood still for so long that all is allowed */

/* Takes the steps. Prints what was wrong and ends the process with status 1 (or
 * DRIVER_TOO_SLOW); returns when nothing was. dir: an empty folder; patience_ms: how long
 * it waits for what must happen; *progress gets the number of the step under way. */
void driver_run(const struct step *list, size_t count, unsigned nodes, const char *dir,
                int patience_ms, bool verbose, size_t *progress);

#endif
