/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/status.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

bool status_gather(const struct config *config, struct status *st, struct fault *f)
{
    struct store store;
    time_t now = clock_wall();
    *st = (struct status){.config = config, .served = PROBE_NOBODY};
    store_peek(&store, config->cert_dir);
    bool ok = access(config->cert_dir, R_OK | X_OK) == 0 || errno == ENOENT
                  ? store_load_state(&store, &st->state, f)
                  : fault_errno(f, "cannot read %s", config->cert_dir);
    if (ok) {
        const char *revoked = st->state.revoked;
        struct generation *g = &st->installed;
        generation_read(&store, generation_current(&store), config->domain, g);
        bool is_revoked = g->usable && revoked && strcmp(revoked, g->facts.fingerprint) == 0;
        st->good = g->usable && !is_revoked && now < g->facts.not_after;
        st->renew_at = g->usable ? schedule_renew_at(g->facts.not_before, g->facts.not_after) : 0;
        st->served =
            probe_served(config, g->facts.fingerprint, st->served_text, sizeof st->served_text);
        st->next = schedule_decide(&(struct schedule_facts){
            .now = now,
            .usable = g->usable && !is_revoked,
            .not_before = g->facts.not_before,
            .not_after = g->facts.not_after,
            .open = st->state.phase != PHASE_IDLE,
            .next_try = st->state.next_try,
        });
    }
    store_close(&store);
    return ok;
}

void status_free(struct status *st)
{
    state_free(&st->state);
}

const char *status_served_name(enum probe_served served)
{
    return served == PROBE_SAME ? "same" : served == PROBE_OTHER ? "other" : "nobody";
}

static void print_certificate(const struct status *st, FILE *out)
{
    char from[CLOCK_TEXT], until[CLOCK_TEXT];
    const struct generation *g = &st->installed;
    if (!g->usable) {
        fprintf(out, "certificate  none usable: %s\n", g->why.text);
        return;
    }
    fprintf(out, "certificate  gen-%u, serial %s, %s\n", g->number, g->facts.serial,
            st->good ? "good" : "NOT GOOD (expired or revoked)");
    fprintf(out, "issuer       %s\n", g->facts.issuer);
    fprintf(out, "valid        %s to %s\n", clock_print(g->facts.not_before, from),
            clock_print(g->facts.not_after, until));
    fprintf(out, "served       %s\n", st->served == PROBE_SAME ? "yes" : st->served_text);
}

static void print_next(const struct status *st, FILE *out)
{
    char when[CLOCK_TEXT];
    const struct state *state = &st->state;
    if (st->next == SCHEDULE_GOOD)
        fprintf(out, "next         renewal from %s\n", clock_print(st->renew_at, when));
    else if (st->next == SCHEDULE_WAIT)
        fprintf(out, "next         try at %s\n", clock_print(state->next_try, when));
    else
        fprintf(out, "next         at the next run: %s\n", schedule_words(st->next));
    if (state->phase != PHASE_IDLE)
        fprintf(out, "order        %s %s\n", phase_name(state->phase),
                state->order ? state->order : "");
    if (state->problem)
        fprintf(out, "last problem %s, %s: %s%s\n", clock_print(state->failed_at, when),
                failure_name(state->class), state->problem, state->failures ? "" : " (over)");
}

void status_print(const struct status *st, FILE *out)
{
    fprintf(out, "domain       %s\n", st->config->domain);
    fprintf(out, "CA           %s\n", st->config->acme_directory);
    print_certificate(st, out);
    print_next(st, out);
}
