/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/probe.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "acme/generation.h"
#include "acme/transport.h"
#include "base/clock.h"

#define LOOK_MS         3000
#define SERVED_TOTAL_MS 10000
#define NOBODY_TOTAL_MS 600
#define AGAIN_MS        200

/* The facts of a look's leaf; false without one. */
static bool leaf_facts(const struct transport_look *look, struct chain_facts *facts)
{
    struct chain c;
    struct fault ignored;
    if (!look->leaf || !chain_parse(look->leaf, strlen(look->leaf), &c, &ignored))
        return false;
    bool ok = chain_read_facts(c.list[0], facts);
    chain_free(&c);
    return ok;
}

/* What was met at an address, as the beginning of a sentence. */
static void describe(const struct endpoint *at, const struct transport_look *look,
                     const struct chain_facts *facts, char *text, size_t cap)
{
    char where[ENDPOINT_TEXT], end[CLOCK_TEXT];
    endpoint_print(at, where);
    switch (look->peer) {
    case TRANSPORT_CLOSED:
        snprintf(text, cap, "nothing answers on %s", where);
        break;
    case TRANSPORT_SILENT:
        snprintf(text, cap, "%s takes connections and stays silent", where);
        break;
    case TRANSPORT_NO_TLS:
        snprintf(text, cap, "%s does not speak TLS as a relay does (%s)", where, look->error);
        break;
    case TRANSPORT_TLS:
        snprintf(text, cap, "%s serves a certificate of %s, issued by %s, valid until %s", where,
                 facts->subject[0] ? facts->subject : "no subject", facts->issuer,
                 clock_print(facts->not_after, end));
        break;
    }
}

/* True when a kept generation has this leaf. */
static bool is_generation(const struct session *s, const char *fingerprint)
{
    unsigned newest = generation_current(&s->store);
    for (unsigned n = newest; n > 0 && newest - n < 2 * GENERATION_KEEP; n--) {
        struct generation g;
        generation_read(&s->store, n, s->config->domain, &g);
        if (g.usable && strcmp(g.facts.fingerprint, fingerprint) == 0)
            return true;
    }
    return false;
}

static enum probe_self judge(const struct session *s, const struct transport_look *look,
                             const struct chain_facts *facts)
{
    if (look->relay || (look->peer == TRANSPORT_TLS && is_generation(s, facts->fingerprint)))
        return PROBE_OURS;
    return look->peer == TRANSPORT_CLOSED || look->peer == TRANSPORT_SILENT ? PROBE_UNKNOWN
                                                                            : PROBE_FOREIGN;
}

enum probe_self probe_self(const struct session *s, char *text, size_t cap)
{
    const struct config_endpoints *listen = &s->config->listen;
    enum probe_self answer = PROBE_UNKNOWN;
    snprintf(text, cap, "the relay's port is chosen when it starts");
    for (size_t i = 0; i < listen->count && answer == PROBE_UNKNOWN; i++) {
        struct transport_look look;
        struct chain_facts facts = {0};
        if (endpoint_port(&listen->list[i]) == 0)
            continue;
        transport_look(&listen->list[i], s->config->domain, LOOK_MS, &look);
        leaf_facts(&look, &facts);
        describe(&listen->list[i], &look, &facts, text, cap);
        answer = judge(s, &look, &facts);
        transport_look_free(&look);
    }
    return answer;
}

/* Fingerprint of the leaf that is served at an address; false without one. */
static bool served_at(const struct endpoint *at, const char *name,
                      char fingerprint[CHAIN_FINGERPRINT])
{
    struct transport_look look;
    struct chain_facts facts = {0};
    transport_look(at, name, LOOK_MS, &look);
    bool ok = leaf_facts(&look, &facts);
    transport_look_free(&look);
    if (ok)
        snprintf(fingerprint, CHAIN_FINGERPRINT, "%s", facts.fingerprint);
    return ok;
}

bool probe_leads_here(const struct config *config, const struct endpoint *address)
{
    char ours[CHAIN_FINGERPRINT], theirs[CHAIN_FINGERPRINT];
    for (size_t i = 0; i < config->listen.count; i++) {
        const struct endpoint *listen = &config->listen.list[i];
        struct endpoint at = *address;
        if (endpoint_port(listen) == 0 || !served_at(listen, config->domain, ours))
            continue;
        endpoint_set_port(&at, endpoint_port(listen));
        return served_at(&at, config->domain, theirs) && strcmp(ours, theirs) == 0;
    }
    return false;
}

enum probe_served probe_served(const struct config *config, const char *fingerprint, char *text,
                               size_t cap, struct chain_facts *seen)
{
    const struct config_endpoints *listen = &config->listen;
    enum probe_served answer = PROBE_NOBODY;
    if (seen)
        *seen = (struct chain_facts){0};
    snprintf(text, cap, "the relay's port is chosen when it starts");
    for (size_t i = 0; i < listen->count && answer != PROBE_SAME; i++) {
        struct transport_look look;
        struct chain_facts facts = {0};
        if (endpoint_port(&listen->list[i]) == 0)
            continue;
        transport_look(&listen->list[i], config->domain, LOOK_MS, &look);
        bool leaf = leaf_facts(&look, &facts);
        if (leaf && seen)
            *seen = facts;
        if (leaf && strcmp(facts.fingerprint, fingerprint) == 0)
            answer = PROBE_SAME;
        else if (look.peer != TRANSPORT_CLOSED)
            answer = PROBE_OTHER;
        if (look.peer != TRANSPORT_CLOSED || answer == PROBE_NOBODY)
            describe(&listen->list[i], &look, &facts, text, cap);
        transport_look_free(&look);
    }
    return answer;
}

enum probe_served probe_wait(const struct config *config, const char *fingerprint, char *text,
                             size_t cap)
{
    int64_t start = clock_mono_ms();
    for (;;) {
        enum probe_served answer = probe_served(config, fingerprint, text, cap, NULL);
        int64_t limit = answer == PROBE_NOBODY ? NOBODY_TOTAL_MS : SERVED_TOTAL_MS;
        if (answer == PROBE_SAME || clock_mono_ms() - start + AGAIN_MS > limit)
            return answer;
        nanosleep(&(struct timespec){.tv_nsec = AGAIN_MS * 1000000L}, NULL);
    }
}
