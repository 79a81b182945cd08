/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/attempts.h"
#include "base/clock.h"
#include "base/text.h"

/* Between two renewals that the CA suggests: windows that are past for each new certificate would
 * otherwise make one an hour. */
#define SUGGESTED_APART (12 * 3600)

/* A certificate may be whole and yet not count any more. */
static void judge(const struct authority *list, size_t count, const struct state *state,
                  struct generation *g)
{
    if (!g->usable)
        return;
    if (state->revoked && strcmp(state->revoked, g->facts.fingerprint) == 0)
        g->usable = fault_set(&g->why, "gen-%u is revoked", g->number);
    else if (state->issued_by && !authority_find(list, count, state->issued_by))
        g->usable =
            fault_set(&g->why, "gen-%u is from another CA: %.300s", g->number, state->issued_by);
    if (!g->usable)
        g->cert_id[0] = '\0';
}

/* Of the installed certificate, also when it does not count any more or is lost; 0 without one. */
static int64_t lifetime_of(const struct state *state, const struct facts *facts)
{
    const struct chain_facts *f = &facts->installed.facts;
    return f->not_after ? (int64_t)f->not_after - (int64_t)f->not_before : state->lifetime;
}

/* The CA's suggestion, if it is about this certificate and none was followed just before. */
static void add_suggestion(const struct state *state, struct facts *facts)
{
    const struct ari *a = &state->ari;
    struct schedule_facts *when = &facts->schedule;
    int64_t apart = lifetime_of(state, facts) / 20;
    if (!a->cert_id || strcmp(a->cert_id, facts->installed.cert_id) != 0 || a->pick == 0)
        return;
    apart = apart < SUGGESTED_APART ? apart : SUGGESTED_APART;
    if (state->suggested_at <= when->now && when->now < state->suggested_at + apart)
        return;
    when->ari_start = a->start;
    when->ari_end = a->end;
    when->ari_pick = a->pick;
}

static struct choice_ca look_at(const struct state *state, const char *directory,
                                const char *domain, const struct facts *facts, bool at_once)
{
    const struct ca_record *r = attempts_find(state, directory);
    time_t now = facts->schedule.now;
    time_t next = attempts_next_try(r, now);
    /* An order that is there needs no room any more. */
    bool open = state->phase != PHASE_IDLE && text_same(state->directory, directory);
    time_t room = open ? 0 : attempts_room(r, domain, lifetime_of(state, facts), now);
    return (struct choice_ca){
        .due = at_once       ? 0
               : next > room ? next
                             : room,
        .curable = attempts_curable(r, facts->emergency),
        .failing_since = r ? r->failing_since : 0,
        .failed_at = r && r->failed_at <= now ? r->failed_at : 0,
    };
}

static void choose(const struct authority *list, size_t count, const char *domain,
                   const struct state *state, bool at_once, struct facts *facts)
{
    struct choice_facts c = {
        .now = facts->schedule.now,
        .remaining = facts->remaining,
        .emergency = facts->emergency,
        .two = count > 1,
        .open = state->phase != PHASE_IDLE,
        .spent = state->phase >= PHASE_AUTHORIZING,
        .stay = state->phase >= PHASE_INSTALLING,
        .first = look_at(state, list[0].directory, domain, facts, at_once),
    };
    if (c.two) {
        c.open_second =
            c.open && state->directory && strcmp(state->directory, list[1].directory) == 0;
        c.second = look_at(state, list[1].directory, domain, facts, at_once);
    }
    facts->choice = choice_make(&c);
    facts->schedule.next_try = facts->choice.until;
}

void facts_read(const struct config *config, const struct store *store, struct facts *facts)
{
    generation_read(store, generation_current(store), config->domain, &facts->on_disk);
}

void facts_judge(const struct config *config, const struct state *state, enum facts_wish wish,
                 struct facts *facts)
{
    struct authority list[AUTHORITY_MAX];
    size_t count = authority_list(config, list);
    struct generation *g = &facts->installed;
    time_t now = clock_wall();
    *g = facts->on_disk;
    judge(list, count, state, g);
    facts->remaining = 0;
    if (g->usable)
        facts->remaining =
            g->facts.not_after > now ? g->facts.not_after - now : g->facts.not_after - now - 1;
    facts->emergency =
        !g->usable || now >= schedule_emergency_at(g->facts.not_before, g->facts.not_after);
    facts->schedule = (struct schedule_facts){
        .now = now,
        .forced = wish == FACTS_FORCED,
        .at_once = wish != FACTS_TIMER,
        .usable = g->usable,
        .not_before = g->facts.not_before,
        .not_after = g->facts.not_after,
        .open = state->phase != PHASE_IDLE,
    };
    add_suggestion(state, facts);
    facts->left = schedule_left(&facts->schedule, facts->remaining);
    choose(list, count, config->domain, state, wish != FACTS_TIMER, facts);
}

void facts_gather(const struct config *config, const struct store *store, const struct state *state,
                  enum facts_wish wish, struct facts *facts)
{
    facts_read(config, store, facts);
    facts_judge(config, state, wish, facts);
}
