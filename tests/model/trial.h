/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of step lists in processes of their own, so that a crash is an outcome like others. */
#ifndef TESTS_MODEL_TRIAL_H
#define TESTS_MODEL_TRIAL_H

#include "tests/model/step.h"

enum trial_result { TRIAL_PASSED, TRIAL_FAILED, TRIAL_TOO_SLOW };

struct trial_options {
    unsigned nodes;
    bool verbose;    /* prints steps as they are taken */
    bool show;       /* what a failing run says goes to stderr */
    int patience_ms; /* for what must happen */
    int limit_s;     /* for all of it */
};

/* Before the first run, and after the last: makes and removes a folder for files. Ctrl-C removes
 * it, too. */
void trial_start(void);
void trial_stop(void);

/* *reached (may be NULL) gets how many steps it came. */
enum trial_result trial_run(const struct step *list, size_t count, const struct trial_options *opt,
                            size_t *reached);

/* Leaves out of a failing list what it fails without, for at most about so many seconds. Returns
 * how many steps are left. */
size_t trial_shrink(struct step *list, size_t count, const struct trial_options *opt, int seconds);

#endif
