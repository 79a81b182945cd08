/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "derp/ops/report.h"

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *certificate(const struct report *r)
{
    const struct certificate_status *c = &r->certificate;
    char from[CLOCK_TEXT], until[CLOCK_TEXT], pin[65], next[65], changes[CLOCK_TEXT];

    text_hex(c->info.sha256, sizeof c->info.sha256, pin);
    text_hex(c->next.sha256, sizeof c->next.sha256, next);
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:I, s:s}", "state",
                  certificate_state_name(c->state), "subject", c->info.subject, "issuer",
                  c->info.issuer, "notBefore", clock_print(c->info.not_before, from), "notAfter",
                  clock_print(c->info.not_after, until), "daysLeft",
                  (json_int_t)((c->info.not_after - r->now) / 86400), "sha256", pin, "reloads",
                  (json_int_t)c->reloads, "refused", (json_int_t)c->refused, "problem", c->problem);
    /* Of a certificate of its own, when clients will have to know another one. */
    if (c->next.changes_at != 0) {
        json_object_set_new(root, "nextSha256", json_string(next));
        json_object_set_new(root, "changesAt",
                            json_string(clock_print(c->next.changes_at, changes)));
    }
    return root;
}

static json_t *packets(const struct report *r)
{
    const uint64_t *n = r->counters;
    uint64_t dropped_disco = n[COUNTER_DROP_UNKNOWN_DISCO] + n[COUNTER_DROP_UNKNOWN_FWD_DISCO] +
                             n[COUNTER_DROP_GONE_DISCO] + n[COUNTER_DROP_HEAD_DISCO] +
                             n[COUNTER_DROP_LATE_DISCO] + n[COUNTER_DROP_TAIL_DISCO];
    uint64_t dropped_other = n[COUNTER_DROP_UNKNOWN_OTHER] + n[COUNTER_DROP_UNKNOWN_FWD_OTHER] +
                             n[COUNTER_DROP_GONE_OTHER] + n[COUNTER_DROP_HEAD_OTHER] +
                             n[COUNTER_DROP_LATE_OTHER] + n[COUNTER_DROP_TAIL_OTHER];

    /* disco is the broker's work (helping clients find a direct path), other is relayed traffic */
    return json_pack("{s:{s:o, s:o, s:o}, s:{s:o, s:o, s:o, s:o}}", "disco", "received",
                     number(n[COUNTER_IN_DISCO]), "sent", number(n[COUNTER_OUT_DISCO]), "dropped",
                     number(dropped_disco), "other", "received", number(n[COUNTER_IN_OTHER]),
                     "sent", number(n[COUNTER_OUT_OTHER]), "sentBytes",
                     number(n[COUNTER_OUT_OTHER_BYTES]), "dropped", number(dropped_other));
}

/* Links to the other relays of the region. */
static json_t *mesh(const struct report *r)
{
    json_t *list = json_array();
    char since[CLOCK_TEXT];

    for (size_t i = 0; i < r->mesh_count; i++) {
        const struct mesh_status *m = &r->mesh[i];

        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o, s:s}", "node", m->node, "state",
                                              mesh_state_name(m->state), "since",
                                              clock_print(m->since, since), "clients",
                                              number(m->keys), "problem", m->problem));
    }
    return list;
}

static json_t *connections(const struct report *r)
{
    const struct relay_gauges *g = &r->gauges;

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "open", number(g->connections),
                     "loggedIn", number(g->clients), "home", number(g->home), "notIdeal",
                     number(g->not_ideal), "probers", number(g->probers), "webSocket",
                     number(g->websockets), "keys", number(g->keys), "contestedKeys",
                     number(g->contested));
}

static json_t *admission(const struct report *r)
{
    const uint64_t *n = r->counters;

    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "refusedLogins", number(n[COUNTER_LOGIN_REFUSED]),
                     "unsure", number(n[COUNTER_UNSURE]), "badAnswers",
                     number(n[COUNTER_BAD_ANSWER]), "revoked", number(n[COUNTER_REVOKED]),
                     "rechecksWaiting", number(r->gauges.rechecks));
}

/* What is said here in words is what the log says at most once a minute. */
static json_t *proxy(const struct report *r)
{
    const struct relay_proxied *p = &r->gauges.proxied;
    char from[ENDPOINT_TEXT], at[CLOCK_TEXT];

    if (p->sign == NULL)
        return json_pack("{s:o, s:n, s:n, s:n, s:n}", "requests",
                         number(r->counters[COUNTER_PROXIED]), "last", "at", "sign", "advice");
    return json_pack("{s:o, s:s, s:s, s:s, s:s}", "requests", number(r->counters[COUNTER_PROXIED]),
                     "last", endpoint_print_ip(&p->from, from), "at", clock_print(p->at, at),
                     "sign", p->sign, "advice",
                     "requests for DERP come through an HTTP proxy, which DERP does not survive: "
                     "let it pass TCP through instead (nginx: stream, not http)");
}

void report_status(const struct report *r, struct buf *out)
{
    char key[NODE_KEY_TEXT];
    json_t *root = json_pack(
        "{s:i, s:s, s:s?, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:{s:o, s:o}, s:o, s:o, s:o}",
        "schema", 1, "version", DERP_RELAY_VERSION, "domain", r->domain, "serverKey",
        node_key_print(&r->server_key, key), "uptimeSeconds", (json_int_t)(r->now - r->started),
        "workers", (json_int_t)r->workers, "certificate", certificate(r), "connections",
        connections(r), "admission", admission(r), "packets", packets(r), "stun", "answered",
        number(r->counters[COUNTER_STUN_OK]), "silentWhileNotReady",
        number(r->counters[COUNTER_STUN_SILENT]), "proxiedRequests",
        number(r->counters[COUNTER_PROXIED]), "proxy", proxy(r), "mesh", mesh(r));
    char *text = root == NULL ? NULL : json_dumps(root, JSON_INDENT(2));

    if (text != NULL)
        buf_printf(out, "%s\n", text);
    free(text);
    json_decref(root);
}
