/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/facts.h"

#include <string.h>

#include "base/clock.h"

/* A certificate may be whole and yet not count any more. */
static void judge(const struct config *config, const struct state *state, struct generation *g)
{
    if (!g->usable)
        return;
    if (state->revoked && strcmp(state->revoked, g->facts.fingerprint) == 0)
        g->usable = fault_set(&g->why, "gen-%u is revoked", g->number);
    else if (state->issued_by && strcmp(state->issued_by, config->acme_directory) != 0)
        g->usable =
            fault_set(&g->why, "gen-%u is from another CA: %.300s", g->number, state->issued_by);
}

void facts_gather(const struct config *config, const struct store *store, const struct state *state,
                  struct facts *facts)
{
    struct generation *g = &facts->installed;
    generation_read(store, generation_current(store), config->domain, g);
    judge(config, state, g);
    facts->schedule = (struct schedule_facts){
        .now = clock_wall(),
        .usable = g->usable,
        .not_before = g->facts.not_before,
        .not_after = g->facts.not_after,
        .open = state->phase != PHASE_IDLE,
        .next_try = state->next_try,
    };
}
