/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/status.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "acme/attempts.h"
#include "acme/stale.h"
#include "base/clock.h"

/* What the state and the files say, and what the port shows. */
static void fill(const struct config *config, const struct store *store, struct status *st)
{
    facts_gather(config, store, &st->state, FACTS_TIMER, &st->facts);
    const struct generation *g = &st->facts.installed;
    const struct schedule_facts *when = &st->facts.schedule;
    st->good = g->usable && when->now < when->not_after;
    st->renew_at = g->usable ? schedule_due_at(when) : 0;
    st->next = schedule_decide(when);
    st->served = probe_served(config, g->facts.fingerprint, st->served_text, sizeof st->served_text,
                              &st->seen);
}

bool status_gather(const struct config *config, struct status *st, struct fault *f)
{
    struct store store;
    *st = (struct status){.config = config};
    store_peek(&store, config->cert_dir);
    bool ok = access(config->cert_dir, R_OK | X_OK) == 0 || errno == ENOENT
                  ? store_load_state(&store, &st->state, f)
                  : fault_errno(f, "cannot read %s", config->cert_dir);
    if (ok)
        fill(config, &store, st);
    store_close(&store);
    return ok;
}

bool status_profile_denied(const struct status *st)
{
    const struct ca_record *r = attempts_find(&st->state, st->config->acme_directory);
    return st->config->acme_profile && r && r->profile_denied;
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
    const struct generation *g = &st->facts.installed;
    if (!g->usable) {
        fprintf(out, "certificate  none usable: %s\n", g->why.text);
        return;
    }
    fprintf(out, "certificate  gen-%u, serial %s, %s\n", g->number, g->facts.serial,
            st->good ? "good" : "EXPIRED");
    fprintf(out, "issuer       %s\n", g->facts.issuer);
    if (st->state.issued_by)
        fprintf(out, "issued by    %s\n", st->state.issued_by);
    fprintf(out, "valid        %s to %s", clock_print(g->facts.not_before, from),
            clock_print(g->facts.not_after, until));
    if (st->good)
        fprintf(out, ", %ld days left", (long)(st->facts.remaining / 86400));
    fputc('\n', out);
    fprintf(out, "served       %s\n", st->served == PROBE_SAME ? "yes" : st->served_text);
}

/* The CA's suggestion, if it is about what is installed. */
static void print_suggestion(const struct status *st, FILE *out)
{
    char start[CLOCK_TEXT], end[CLOCK_TEXT];
    const struct ari *a = &st->state.ari;
    if (!a->pick || !a->cert_id || strcmp(a->cert_id, st->facts.installed.cert_id) != 0)
        return;
    fprintf(out, "suggestion   renew between %s and %s%s%s\n", clock_print(a->start, start),
            clock_print(a->end, end), a->explanation ? "; why: " : "",
            a->explanation ? a->explanation : "");
}

static void print_next(const struct status *st, FILE *out)
{
    char when[CLOCK_TEXT];
    const struct state *state = &st->state;
    if (st->next == SCHEDULE_GOOD)
        fprintf(out, "next         renewal from %s\n", clock_print(st->renew_at, when));
    else if (st->next == SCHEDULE_WAIT)
        fprintf(out, "next         try at %s\n", clock_print(st->facts.schedule.next_try, when));
    else
        fprintf(out, "next         at the next run: %s\n", schedule_words(st->next));
    if (state->phase != PHASE_IDLE)
        fprintf(out, "order        %s %s\n", phase_name(state->phase),
                state->order ? state->order : "");
    if (state->problem && state->failures)
        fprintf(out, "last problem %s, %s: %s\n", clock_print(state->failed_at, when),
                failure_name(state->class), state->problem);
    else if (state->problem)
        fprintf(out, "last problem %s, over since: %s\n", clock_print(state->failed_at, when),
                state->problem);
}

/* What a person should know although the certificate is good. */
static void print_notes(const struct status *st, FILE *out)
{
    char when[CLOCK_TEXT];
    if (status_profile_denied(st))
        fprintf(out, "profile      %s is not offered by the CA; %s\n", st->config->acme_profile,
                st->config->profile_required ? "profile-required is set"
                                             : "orders are made in its default one");
    for (size_t i = 0; i < STATE_STALE; i++) {
        const struct stale *r = &st->state.stale[i];
        if (!r->name || !r->value)
            continue;
        fprintf(out, "TXT record   \"%s\" of %s could not be taken away in %u tries; ", r->value,
                r->name, r->tries);
        if (stale_given_up(r))
            fprintf(out, "remove it by hand, or mend dns-hook and run derp-acme issue\n");
        else
            fprintf(out, "next try from %s\n", clock_print(r->next_try, when));
    }
}

void status_print(const struct status *st, FILE *out)
{
    fprintf(out, "domain       %s\n", st->config->domain);
    fprintf(out, "CA           %s\n", st->config->acme_directory);
    if (st->config->fallback_directory)
        fprintf(out, "second CA    %s\n", st->config->fallback_directory);
    print_certificate(st, out);
    print_suggestion(st, out);
    print_next(st, out);
    print_notes(st, out);
}
