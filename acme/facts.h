/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACME_FACTS_H
#define ACME_FACTS_H

#include <stdbool.h>

#include "acme/generation.h"
#include "acme/schedule.h"
#include "acme/state.h"
#include "base/config.h"

/* What a decision stands on: the installed certificate, the state, the time. */
struct facts {
    struct generation installed;    /* number 0 and a reason in why when there is none; usable also
                                       means: not revoked, and from the configured CA */
    struct schedule_facts schedule; /* forced and at_once are the caller's to set */
};

/* Reads them; nothing is changed. */
void facts_gather(const struct config *config, const struct store *store, const struct state *state,
                  struct facts *facts);

#endif
