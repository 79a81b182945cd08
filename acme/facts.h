/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACME_FACTS_H
#define ACME_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "acme/authority.h"
#include "acme/choice.h"
#include "acme/generation.h"
#include "acme/schedule.h"
#include "acme/state.h"
#include "base/config.h"

/* What a decision stands on: the installed certificate, the state, the time. */
struct facts {
    struct generation on_disk;      /* what `current` leads to, as it was read */
    struct generation installed;    /* the same, judged: usable also means not revoked, and from a
                                       configured CA; if not, cert_id is "". Number 0 and a reason
                                       in why when there is none */
    int64_t remaining;              /* what is left of it; negative: so long ago it has expired; 0:
                                       none is usable */
    int64_t left;                   /* the same, as far as waiting goes (schedule_left) */
    bool emergency;                 /* none is usable, or it ends soon */
    struct choice choice;           /* which CA is asked, and when */
    struct schedule_facts schedule; /* next_try is the choice's */
};

/* Who wants it, and how much. */
enum facts_wish {
    FACTS_TIMER,   /* what is due, when it is due */
    FACTS_AT_ONCE, /* stored times do not count: a person asks */
    FACTS_FORCED,  /* the same, for a new certificate in any case */
};

/* Reads what is installed: the one costly part. */
void facts_read(const struct config *config, const struct store *store, struct facts *facts);

/* All else, by what was read, the state and the time. */
void facts_judge(const struct config *config, const struct state *state, enum facts_wish wish,
                 struct facts *facts);

/* Both; nothing is changed. */
void facts_gather(const struct config *config, const struct store *store, const struct state *state,
                  enum facts_wish wish, struct facts *facts);

#endif
