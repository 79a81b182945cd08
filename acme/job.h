/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of derp-acme do. */
#ifndef ACME_JOB_H
#define ACME_JOB_H

#include "base/config.h"

/* Exit codes: the contract with timers and with derp-setup. */
enum job_exit { JOB_CHANGED = 0, JOB_FAILED = 1, JOB_NOTHING = 2 };

enum job_verb {
    JOB_RUN,      /* do what is due, at the stored next try at the earliest: what the timer calls */
    JOB_ISSUE,    /* the same at once */
    JOB_RENEW,    /* a new certificate, whatever the old one is good for */
    JOB_REVOKE,   /* revoke the installed certificate; the next run orders another */
    JOB_ROLLOVER, /* another account key at each configured CA */
    JOB_CAA,      /* print what CAA records need; the same as JSON */
    JOB_CAA_JSON,
};

/* Does it and says on the log what happened. */
enum job_exit job(const struct config *config, enum job_verb verb);

#endif
