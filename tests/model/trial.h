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

enum trial_result trial_run(const struct step *list, size_t count, const struct trial_options *opt);

/* Leaves out of a failing list, for about so long, what it fails without. Returns the new count. */
size_t trial_shrink(struct step *list, size_t count, const struct trial_options *opt, int seconds);

#endif
