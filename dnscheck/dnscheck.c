/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/dnscheck.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "dnscheck/caa.h"
#include "dnscheck/resolve.h"
#include "dnscheck/txt.h"
#include "dnscheck/verdict.h"

/* The questions of a check; CAA at the domain and at each name above it follows. */
enum { ASK_ROOT, ASK_A, ASK_AAAA, ASK_CAA };
#define QUESTIONS_MAX (ASK_CAA + 127) /* a name has at most 127 labels */

void dnscheck_own(const struct dnscheck_options *o, struct dnscheck_own *own, struct findings *all)
{
    struct address_pair found;
    struct fault why;
    bool known = address_scan(&found, &why);
    verdict_own(o, known ? &found : NULL, known ? "" : why.text, own, all);
}

bool dnscheck_files_valid(const struct dnscheck_options *o, struct fault *f)
{
    return resolve_files_valid(o->root_hints, o->trust_anchor, f);
}

static void put(struct resolve_question *q, const char *name, uint16_t type)
{
    q->type = type;
    snprintf(q->name, sizeof q->name, "%s", name);
}

static size_t list_questions(const char *domain, struct resolve_question *list)
{
    size_t n = ASK_CAA;
    put(&list[ASK_ROOT], "", DNS_TYPE_NS);
    put(&list[ASK_A], domain, DNS_TYPE_A);
    put(&list[ASK_AAAA], domain, DNS_TYPE_AAAA);
    for (const char *name = domain; name && n < QUESTIONS_MAX; name = caa_parent(name))
        put(&list[n++], name, DNS_TYPE_CAA);
    return n;
}

/* Without any IPv6 address but link-local ones, asking over IPv6 would only cost time. */
static bool can_ask_ip6(const struct dnscheck_own *own)
{
    const struct address_set *set = &own->found.ip6;
    for (size_t i = 0; i < set->count; i++) {
        if (address_classify(&set->list[i]) != ADDRESS_LINK_LOCAL)
            return true;
    }
    return !own->known6;
}

static void judge(const struct dnscheck_options *o, const char *domain,
                  const struct dnscheck_own *own, const struct resolve_question *list, size_t count,
                  const struct resolve_outcome *outcome, struct dnscheck_result *r,
                  struct findings *all)
{
    const struct answer *caa[QUESTIONS_MAX];
    for (size_t i = ASK_CAA; i < count; i++)
        caa[i - ASK_CAA] = &list[i].answer;
    const struct verdict_input in = {
        .options = o,
        .domain = domain,
        .own = own,
        .root = &list[ASK_ROOT].answer,
        .a = &list[ASK_A].answer,
        .aaaa = &list[ASK_AAAA].answer,
        .caa = caa,
        .caa_count = count - ASK_CAA,
        .validated = outcome->validated,
        .trace = &outcome->trace,
    };
    verdict_domain(&in, r, all);
}

static void add_hints_fault(const struct fault *why, struct findings *all)
{
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.hints", "%s", why->text);
    finding_fix(all, i,
                "Correct the file, or leave out --dns-root-hints and --dns-trust-anchor "
                "([dns] in the configuration) to use the public root");
}

void dnscheck_domain(const struct dnscheck_options *o, const struct dnscheck_own *own,
                     struct dnscheck_result *r, struct findings *all)
{
    char domain[DNSCHECK_NAME_MAX];
    const char *why;
    struct fault fault;
    struct resolve_outcome outcome;
    const struct resolve_options how = {
        .root_hints = o->root_hints,
        .trust_anchor = o->trust_anchor,
        .resolver = o->resolver,
        .ip6 = can_ask_ip6(own),
        .timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : DNSCHECK_TIMEOUT_MS,
        .stop = o->stop,
    };

    *r = (struct dnscheck_result){0};
    if (!text_is_hostname(o->domain, &why)) {
        size_t i = finding_add(all, SEVERITY_FAIL, "dns.name", "not a domain name: %s", why);
        finding_fix(all, i, "Give the full name, for example derp.example.com");
        return;
    }
    text_lower(o->domain, domain, sizeof domain);

    struct resolve_question *list = mem_alloc(QUESTIONS_MAX, sizeof *list);
    size_t count = list_questions(domain, list);
    bool asked = resolve_all(&how, domain, list, count, &outcome, &fault);
    r->interrupted = asked && outcome.interrupted;
    r->local = !asked;
    if (!asked)
        add_hints_fault(&fault, all);
    else if (outcome.interrupted)
        finding_add(all, SEVERITY_SKIP, "dns.interrupted", "the check of %s was interrupted",
                    domain);
    else
        judge(o, domain, own, list, count, &outcome, r, all);
    for (size_t i = 0; i < count; i++)
        answer_clear(&list[i].answer);
    free(list);
}

static enum dnscheck_txt judge_txt(const struct answer *a, const char *name, const char *value,
                                   struct fault *f)
{
    switch (a->status) {
    case ANSWER_DATA:
        if (txt_has(a, value))
            return DNSCHECK_TXT_FOUND;
        fault_set(f, "%s has %zu TXT records, and not this one", name, a->count);
        return DNSCHECK_TXT_ABSENT;
    case ANSWER_NODATA:
    case ANSWER_NXDOMAIN:
        fault_set(f, "%s has no TXT record", name);
        return DNSCHECK_TXT_ABSENT;
    case ANSWER_BOGUS:
        fault_set(f, "DNSSEC validation of %s fails: %s", name, a->why);
        return DNSCHECK_TXT_UNKNOWN;
    default:
        fault_set(f, "the name servers of %s give no answer", name);
        return DNSCHECK_TXT_UNKNOWN;
    }
}

enum dnscheck_txt dnscheck_txt(const struct dnscheck_options *o, const char *name,
                               const char *value, struct fault *f)
{
    struct dnscheck_own own = {.known6 = false};
    struct resolve_outcome outcome;
    struct resolve_question *q = mem_alloc(1, sizeof *q);
    struct fault ignored;
    own.known6 = address_scan(&own.found, &ignored);
    const struct resolve_options how = {
        .root_hints = o->root_hints,
        .trust_anchor = o->trust_anchor,
        .resolver = o->resolver,
        .ip6 = can_ask_ip6(&own),
        .timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : DNSCHECK_TIMEOUT_MS,
        .stop = o->stop,
    };
    enum dnscheck_txt found = DNSCHECK_TXT_UNKNOWN;
    put(q, name, DNS_TYPE_TXT);
    if (resolve_all(&how, name, q, 1, &outcome, f))
        found = judge_txt(&q->answer, name, value, f);
    answer_clear(&q->answer);
    free(q);
    return found;
}
