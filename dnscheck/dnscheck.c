/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/dnscheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "dnscheck/authority.h"
#include "dnscheck/caa.h"
#include "dnscheck/query.h"
#include "dnscheck/resolve.h"
#include "dnscheck/txt.h"
#include "dnscheck/verdict.h"

#define LABELS_MAX 127 /* of a name */

#define EXTRA_MS     2500 /* for what only explains */
#define RESOLVERS_MS 2000

enum { ASK_A, ASK_AAAA, ASK_COUNT };

/* What a check asks and hears. */
struct check {
    const struct dnscheck_options *o;
    const struct dnscheck_own *own;
    char domain[DNSCHECK_NAME_MAX];
    struct resolve_question list[ASK_COUNT];
    struct resolve_question caa[LABELS_MAX]; /* at the domain and at each name above it */
    struct resolve_question ns[LABELS_MAX];
    size_t labels; /* of caa and ns */
    struct resolve_question wildcard;
    bool asked_wildcard;
    struct authority authority;
    bool asked_servers;
    int64_t end_ms;
};

static void put(struct resolve_question *q, const char *name, uint16_t type)
{
    q->type = type;
    snprintf(q->name, sizeof q->name, "%s", name);
}

void dnscheck_own(const struct dnscheck_options *o, struct dnscheck_own *own, struct findings *all)
{
    struct address_pair found;
    struct fault why;
    bool known = address_scan(&found, &why);
    verdict_own(o, known ? &found : NULL, known ? "" : why.text, own, all);
}

bool dnscheck_is_hidden(const struct dnscheck_options *o)
{
    struct address_pair found;
    if (o->ip4.any.sa_family != AF_UNSPEC || !address_scan(&found, NULL))
        return false;
    bool private = false;
    for (size_t i = 0; i < found.ip4.count; i++) {
        if (address_is_public(&found.ip4.list[i]))
            return false;
        private = private || address_classify(&found.ip4.list[i]) == ADDRESS_PRIVATE;
    }
    return private;
}

void dnscheck_lookup(const struct dnscheck_options *o, const char *const *names, size_t count,
                     int timeout_ms, struct address_set *sets)
{
    const struct resolve_options how = {.root_hints = o->root_hints,
                                        .trust_anchor = o->trust_anchor,
                                        .resolver = o->resolver,
                                        .stop = o->stop};
    struct resolver *r = resolver_open(&how, NULL);
    memset(sets, 0, count * sizeof *sets);
    if (!r)
        return;
    struct resolve_question *list = mem_alloc(count + 1, sizeof *list);
    for (size_t i = 0; i < count; i++)
        put(&list[i], names[i], DNS_TYPE_A);
    resolver_ask(r, list, count);
    resolver_wait(r, timeout_ms);
    for (size_t i = 0; i < count; i++)
        answer_addresses(&list[i].answer, &sets[i]);
    resolver_keep(r, list, count);
    resolver_close(r);
}

/* A name that nobody has made: when it has an address, a wildcard answers. false: no room. */
static bool put_wildcard(struct resolve_question *q, const char *domain)
{
    unsigned char random[8];
    char hex[2 * sizeof random + 1];
    const char *parent = caa_parent(domain);
    if (!parent || getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return false;
    text_hex(random, sizeof random, hex);
    q->type = DNS_TYPE_A;
    return snprintf(q->name, sizeof q->name, "no-%s.%s", hex, parent) < DNSCHECK_NAME_MAX - 2;
}

static void put_questions(struct check *c)
{
    put(&c->list[ASK_A], c->domain, DNS_TYPE_A);
    put(&c->list[ASK_AAAA], c->domain, DNS_TYPE_AAAA);
    for (const char *n = c->domain; n && c->labels < LABELS_MAX; n = caa_parent(n)) {
        put(&c->caa[c->labels], n, DNS_TYPE_CAA);
        put(&c->ns[c->labels++], n, DNS_TYPE_NS);
    }
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

/* The domain's zone is known to its servers only when these answered. */
static bool is_answer(const struct answer *a)
{
    return a->status == ANSWER_DATA || a->status == ANSWER_NODATA || a->status == ANSWER_NXDOMAIN;
}

/* Only now: asked for a name that is not there yet, they would remember that. */
static void ask_resolvers(const struct check *c, const struct verdict_input *in,
                          struct findings *all)
{
    struct query list[DNSCHECK_RESOLVERS_MAX] = {0};
    struct verdict_resolver seen[DNSCHECK_RESOLVERS_MAX] = {0};
    size_t count = c->o->resolver_count;
    for (size_t i = 0; i < count; i++) {
        list[i] = (struct query){.server = c->o->resolvers[i], .type = DNS_TYPE_A, .recurse = true};
        memcpy(list[i].name, c->domain, sizeof list[i].name);
    }
    query_all(list, count, RESOLVERS_MS, c->o->stop);
    for (size_t i = 0; i < count; i++)
        seen[i] = (struct verdict_resolver){list[i].server, list[i].answered, list[i].head.rcode,
                                            list[i].answer};
    verdict_resolvers(in, seen, count, all);
    for (size_t i = 0; i < count; i++)
        answer_clear(&list[i].answer);
}

static void judge(struct check *c, struct resolver *resolver, struct dnscheck_result *r,
                  struct findings *all)
{
    const struct answer *caa[LABELS_MAX];
    struct trace trace;
    resolver_trace(resolver, c->domain, &trace);
    for (size_t i = 0; i < c->labels; i++)
        caa[i] = &c->caa[i].answer;
    const struct verdict_input in = {
        .options = c->o,
        .domain = c->domain,
        .own = c->own,
        .root = resolver_root(resolver),
        .a = &c->list[ASK_A].answer,
        .aaaa = &c->list[ASK_AAAA].answer,
        .caa = caa,
        .caa_count = c->labels,
        .validated = resolver_validates(resolver),
        .trace = &trace,
        .authority = c->asked_servers ? &c->authority : NULL,
        .wildcard = c->asked_wildcard ? &c->wildcard.answer : NULL,
    };
    verdict_domain(&in, r, all);
    if (findings_get(all, "dns.ok"))
        ask_resolvers(c, &in, all);
}

static int left_ms(const struct check *c, int most)
{
    int64_t ms = c->end_ms - clock_mono_ms();
    return ms <= 0 ? 0 : ms < most ? (int)ms : most;
}

/* What the verdict rests on comes first, and does not wait for what only explains it. */
static bool ask_all(struct check *c, struct resolver *r, bool ip6)
{
    int all = c->o->timeout_ms > 0 ? c->o->timeout_ms : DNSCHECK_TIMEOUT_MS;
    resolver_ask(r, c->list, ASK_COUNT);
    resolver_ask(r, c->caa, c->labels);
    if (!resolver_wait(r, all * 2 / 3))
        return false;
    c->asked_wildcard =
        c->list[ASK_A].answer.status == ANSWER_DATA && put_wildcard(&c->wildcard, c->domain);
    if (c->asked_wildcard)
        resolver_ask(r, &c->wildcard, 1);
    /* Whoever names a resolver need not be able to reach the servers. */
    c->asked_servers = c->o->resolver.any.sa_family == AF_UNSPEC;
    if (c->asked_servers)
        resolver_ask(r, c->ns, c->labels);
    if (!resolver_wait(r, left_ms(c, EXTRA_MS)) || !c->asked_servers)
        return !(c->o->stop && *c->o->stop);
    return authority_ask(r, c->domain, c->ns, c->labels, is_answer(&c->list[ASK_A].answer), ip6,
                         left_ms(c, all), c->o->stop, &c->authority);
}

static void add_hints_fault(const struct fault *why, struct findings *all)
{
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.hints", "%s", why->text);
    finding_fix(all, i,
                "Correct the file, or leave out --dns-root-hints and --dns-trust-anchor "
                "([dns] in the configuration) to use the public root");
}

static void free_check(struct check *c)
{
    for (size_t i = 0; i < ASK_COUNT; i++)
        answer_clear(&c->list[i].answer);
    answer_clear(&c->wildcard.answer);
    for (size_t i = 0; i < c->labels; i++) {
        answer_clear(&c->caa[i].answer);
        answer_clear(&c->ns[i].answer);
    }
    authority_clear(&c->authority);
    free(c);
}

void dnscheck_domain(const struct dnscheck_options *o, const struct dnscheck_own *own,
                     struct dnscheck_result *r, struct findings *all)
{
    const char *why;
    struct fault fault;
    const struct resolve_options how = {
        .root_hints = o->root_hints,
        .trust_anchor = o->trust_anchor,
        .resolver = o->resolver,
        .ip6 = can_ask_ip6(own),
        .stop = o->stop,
    };

    *r = (struct dnscheck_result){0};
    if (!text_is_hostname(o->domain, &why)) {
        size_t i = finding_add(all, SEVERITY_FAIL, "dns.name", "not a domain name: %s", why);
        finding_fix(all, i, "Give the full name, for example derp.example.com");
        return;
    }
    struct check *c = mem_alloc(1, sizeof *c);
    c->o = o;
    c->own = own;
    c->end_ms = clock_mono_ms() + (o->timeout_ms > 0 ? o->timeout_ms : DNSCHECK_TIMEOUT_MS);
    text_lower(o->domain, c->domain, sizeof c->domain);
    put_questions(c);
    struct resolver *resolver = resolver_open(&how, &fault);
    r->local = !resolver;
    if (!resolver)
        add_hints_fault(&fault, all);
    else
        r->interrupted = !ask_all(c, resolver, how.ip6);
    if (r->interrupted)
        finding_add(all, SEVERITY_SKIP, "dns.interrupted", "the check of %s was interrupted",
                    c->domain);
    else if (resolver)
        judge(c, resolver, r, all);
    resolver_close(resolver);
    free_check(c);
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
    struct resolve_question q = {0};
    enum dnscheck_txt found = DNSCHECK_TXT_UNKNOWN;
    own.known6 = address_scan(&own.found, NULL);
    const struct resolve_options how = {
        .root_hints = o->root_hints,
        .trust_anchor = o->trust_anchor,
        .resolver = o->resolver,
        .ip6 = can_ask_ip6(&own),
        .stop = o->stop,
    };
    struct resolver *r = resolver_open(&how, f);
    if (!r)
        return DNSCHECK_TXT_UNKNOWN;
    put(&q, name, DNS_TYPE_TXT);
    resolver_wait(r, 0); /* nobody needs the answer about the root */
    resolver_ask(r, &q, 1);
    if (resolver_wait(r, o->timeout_ms > 0 ? o->timeout_ms : DNSCHECK_TIMEOUT_MS))
        found = judge_txt(&q.answer, name, value, f);
    else
        fault_set(f, "the question for %s was interrupted", name);
    resolver_close(r);
    answer_clear(&q.answer);
    return found;
}
