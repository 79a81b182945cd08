/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: whether people are to be told now, or have been told enough. */
#ifndef ACME_TOLD_H
#define ACME_TOLD_H

#include <stdbool.h>
#include <time.h>

#include "acme/schedule.h"
#include "acme/state.h"

/* The names (event_name) are what the hook is called with. */
enum event {
    EVENT_NONE,
    EVENT_RENEWED,  /* a new certificate is in place, the first one too */
    EVENT_FAILED,   /* an attempt has failed */
    EVENT_PAUSED,   /* the CA has paused the account: a person must act */
    EVENT_EXPIRING, /* less than a fifth of the lifetime is left, or none */
};

/* "renewed", …; "none". */
const char *event_name(enum event event);

/*
 * What to tell after the failure that the state has last, and notes it as told: each class at
 * once and then daily, also when classes take turns (two CAs may each fail in another way), but the
 * first two failures of network or CA in a row are not worth a message.
 */
enum event told_failure(struct state *s, time_t now);

/* Whether to tell that the certificate expires or has expired, daily; notes it as told. */
enum event told_expiring(struct state *s, const struct schedule_facts *facts);

/* A new certificate: whatever comes next is news again. */
void told_renewed(struct state *s);

#endif
