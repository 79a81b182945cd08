/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/status.h"

#include <jansson.h>
#include <string.h>

#include "acme/stale.h"
#include "base/clock.h"
#include "base/mem.h"

static json_t *when(time_t t)
{
    char text[CLOCK_TEXT];
    return t ? json_string(clock_print(t, text)) : json_null();
}

static json_t *certificate(const struct status *st)
{
    const struct generation *g = &st->facts.installed;
    if (!g->usable)
        return json_pack("{s:b, s:s}", "good", 0, "why", g->why.text);
    return json_pack("{s:b, s:i, s:i, s:s, s:s, s:s, s:o, s:o}", "good", st->good, "days_left",
                     (int)(st->facts.remaining / 86400), "generation", (int)g->number, "serial",
                     g->facts.serial, "issuer", g->facts.issuer, "fingerprint",
                     g->facts.fingerprint, "not_before", when(g->facts.not_before), "not_after",
                     when(g->facts.not_after));
}

static json_t *problem(const struct state *s)
{
    if (!s->problem)
        return json_null();
    return json_pack("{s:s, s:i, s:i, s:o, s:s*, s:s}", "class", failure_name(s->class), "failures",
                     (int)s->failures, "failures_of_any_class", (int)s->total, "at",
                     when(s->failed_at), "type", s->problem_type, "text", s->problem);
}

/* What the CA suggests for the installed certificate, null without. */
static json_t *suggestion(const struct status *st)
{
    const struct ari *a = &st->state.ari;
    if (!a->pick || !a->cert_id || strcmp(a->cert_id, st->facts.installed.cert_id) != 0)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:s*}", "start", when(a->start), "end", when(a->end),
                     "picked", when(a->pick), "next_look", when(a->next_look), "explanation",
                     a->explanation);
}

/* TXT records that could not be taken away. */
static json_t *stale(const struct state *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < STATE_STALE; i++) {
        const struct stale *r = &s->stale[i];
        if (r->name && r->value)
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:i, s:o, s:b}", "name", r->name, "value",
                                            r->value, "tries", (int)r->tries, "next_try",
                                            when(r->next_try), "given_up", stale_given_up(r)));
    }
    return list;
}

char *status_json(const struct status *st)
{
    const struct state *s = &st->state;
    const struct chain_facts *seen = &st->seen;
    json_t *root = json_pack(
        "{s:i, s:s, s:s, s:s*, s:s*, s:o, s:s, s:s, s:s*, s:o}", "schema", 1, "domain",
        st->config->domain, "directory", st->config->acme_directory, "fallback_directory",
        st->config->fallback_directory, "issued_by", s->issued_by, "certificate", certificate(st),
        "served", status_served_name(st->served), "served_text", st->served_text, "served_serial",
        seen->not_after ? seen->serial : NULL, "served_not_after", when(seen->not_after));
    json_t *next = json_pack(
        "{s:o, s:o, s:s, s:s, s:s*, s:o, s:o, s:b, s:o}", "renew_at", when(st->renew_at),
        "next_try", when(st->facts.schedule.next_try), "next", schedule_words(st->next), "phase",
        phase_name(s->phase), "order", s->order, "suggestion", suggestion(st), "problem",
        problem(s), "profile_denied", status_profile_denied(st), "stale_records", stale(s));
    if (root && next)
        json_object_update(root, next);
    json_decref(next);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text ? text : mem_strdup("{}");
}
