/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/verdict.h"

#include <stdio.h>
#include <string.h>

#include "base/translate.h"
#include "dnscheck/words.h"

/* --- No usable answer ---------------------------------------------------------------------- */

bool verdict_silent(const struct answer *a)
{
    return a->status == ANSWER_NONE || (a->status == ANSWER_SERVFAIL && a->late);
}

static void see_unreachable(const struct verdict_input *in, struct findings *all)
{
    char server[ENDPOINT_TEXT];
    size_t i;
    if (in->options->resolver.any.sa_family != AF_UNSPEC) {
        i = finding_add(all, SEVERITY_FAIL, "dns.unreachable", "the resolver %s does not answer",
                        endpoint_print(&in->options->resolver, server));
        finding_fix(all, i,
                    "Check that this address is right and answers DNS questions from this server "
                    "(UDP and TCP), " AGAIN,
                    in->domain);
        return;
    }
    i = finding_add(all, SEVERITY_FAIL, "dns.unreachable",
                    "no name server answers this server, not even one of the root");
    finding_fix(
        all, i,
        "Allow outgoing DNS (port 53, UDP and TCP) and check the network, or name a resolver "
        "that does answer: derp-setup --dns-resolver=ADDRESS check %s",
        in->domain);
}

static void see_silence(const struct verdict_input *in, struct findings *all)
{
    char who[WHO_TEXT], servers[SERVERS_TEXT];
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.timeout",
                           "the name servers of %s did not answer in time%s%s", in->domain,
                           words_who(in, who), words_servers(in, servers));
    finding_fix(all, i,
                "Check at your DNS provider and registrar that the domain's name servers (NS) are "
                "the right ones and reachable, " AGAIN,
                in->domain);
}

/* A name server without an address when none of them has one; or NULL. */
static const char *nameless_server(const struct verdict_input *in)
{
    const struct authority *a = in->authority;
    for (size_t i = 0; a && i < a->name_count; i++)
        if (a->names[i].addresses.count > 0)
            return NULL;
    return a && a->name_count > 0 && !a->names[0].unsure ? a->names[0].name : NULL;
}

/* A name server when there is no route to any of them, as to those with IPv4 addresses only from a
 * server with IPv6 only; or NULL. */
static const struct authority_name *far_server(const struct verdict_input *in)
{
    const struct authority *a = in->authority;
    for (size_t i = 0; a && a->server_count == 0 && i < a->name_count; i++)
        if (a->names[i].addresses.count > 0)
            return &a->names[i];
    return NULL;
}

static void see_far(const struct verdict_input *in, const struct authority_name *far,
                    struct findings *all)
{
    char text[SET_TEXT];
    size_t i =
        finding_add(all, SEVERITY_FAIL, "dns.unreachable",
                    "this server has no route to the name servers of %s: %s has %s", in->domain,
                    far->name, address_set_print(&far->addresses, text, sizeof text));
    finding_fix(all, i,
                "The CA may reach them nevertheless. Give this server a route to them, or name a "
                "resolver that it can reach (--dns-resolver=ADDRESS), " AGAIN,
                in->domain);
}

/* A name to which the CNAMEs come back, as one of the name servers lists them; or NULL. */
static const char *find_circle(const struct verdict_input *in)
{
    const struct authority *a = in->authority;
    for (size_t i = 0; a && i < a->server_count; i++) {
        const struct answer *s = &a->servers[i].a;
        for (size_t k = 0; s->count == 0 && k < s->chain_count; k++)
            if (strcmp(s->chain[k], in->domain) == 0)
                return s->chain[k ? k - 1 : 0];
    }
    return NULL;
}

static void see_circle(const struct verdict_input *in, const char *last, struct findings *all)
{
    char wanted[SET_TEXT];
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.cname.loop",
                           "the CNAME records of %s lead in a circle: %s is an alias of %s again",
                           in->domain, last, in->domain);
    finding_fix(all, i,
                "Replace the CNAME record of %s by the %s record %s with TTL %d at your DNS "
                "provider, " AGAIN,
                in->domain, words_record(in), words_wanted(in, wanted), DNSCHECK_TTL_GOOD,
                in->domain);
}

static void see_servfail(const struct verdict_input *in, struct findings *all)
{
    char who[WHO_TEXT], servers[SERVERS_TEXT];
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.servfail",
                           "the name servers of %s give no usable answer (SERVFAIL): they refuse, "
                           "are not set up for it, or are broken%s%s",
                           in->domain, words_who(in, who), words_servers(in, servers));
    const char *homeless = nameless_server(in);
    if (homeless) {
        finding_fix(
            all, i,
            "Give the registrar the address of %s (a glue record, or \"host\"), or set name "
            "servers there that exist, " AGAIN,
            homeless, in->domain);
        return;
    }
    finding_fix(all, i,
                "Check at your DNS provider and registrar that the domain's name servers (NS) are "
                "the right ones and serve its zone, " AGAIN,
                in->domain);
}

void verdict_bogus(const struct verdict_input *in, const struct answer *a, struct findings *all)
{
    /* With the root itself bogus it is not the domain's fault. */
    if (in->root->status == ANSWER_BOGUS) {
        size_t i = finding_add(all, SEVERITY_FAIL, "dns.bogus",
                               "DNSSEC validation fails at the root: %s", in->root->why);
        finding_fix(all, i,
                    "Check this server's clock (timedatectl), the trust anchor%s%s, and whether "
                    "something on the way rewrites DNS answers, " AGAIN,
                    in->options->trust_anchor ? " " : "",
                    in->options->trust_anchor ? in->options->trust_anchor : "", in->domain);
        return;
    }
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.bogus",
                           "DNSSEC validation of %s failed, so the CA gets no answer: %s",
                           in->domain, a->why[0] ? a->why : "no reason given");
    finding_fix(all, i,
                "Have your DNS provider sign the zone anew, or correct or remove its DS record at "
                "the registrar, " AGAIN,
                in->domain);
}

/* True when a server of the root or of a top-level domain was the last to answer. */
static bool is_undelegated(const struct verdict_input *in)
{
    return in->trace->replies > 0 && in->options->resolver.any.sa_family == AF_UNSPEC &&
           !strchr(in->trace->zone, '.');
}

/* Who has asked too early has to wait (RFC 2308); the CA has not. */
static const char *print_remembered(const struct answer *a, char text[static WHO_TEXT])
{
    text[0] = '\0';
    if (a->ttl > 0)
        translate_print(text, WHO_TEXT,
                        "; clients that have asked already remember that for up to %u s", a->ttl);
    return text;
}

static void see_nxdomain(const struct verdict_input *in, struct findings *all)
{
    char who[WHO_TEXT], wanted[SET_TEXT], remembered[WHO_TEXT];
    const struct answer *a = in->a;
    size_t i;
    words_wanted(in, wanted);
    if (a->chain_count == 0 && is_undelegated(in)) {
        i = finding_add(all, SEVERITY_FAIL, "dns.nxdomain",
                        "%s does not exist in the DNS: its domain is not registered or has no name "
                        "servers yet%s",
                        in->domain, words_who(in, who));
        finding_fix(all, i,
                    "Check the spelling; register the domain or wait until its registrar has "
                    "published it; set the %s record of %s to %s with TTL %d, " AGAIN,
                    words_record(in), in->domain, wanted, DNSCHECK_TTL_GOOD, in->domain);
        return;
    }
    if (a->chain_count > 0)
        i = finding_add(all, SEVERITY_FAIL, "dns.nxdomain",
                        "%s is an alias of %s, which does not exist%s; expected the address %s",
                        in->domain, a->chain[a->chain_count - 1], words_who(in, who), wanted);
    else
        i = finding_add(all, SEVERITY_FAIL, "dns.nxdomain",
                        "%s does not exist in the DNS%s; expected an %s record with %s%s",
                        in->domain, words_who(in, who), words_record(in), wanted,
                        print_remembered(a, remembered));
    words_fix_record(in, "", all, i);
}

/* True when the question for A has failed as a whole; the one finding that says why is added. */
static bool see_failure(const struct verdict_input *in, struct findings *all)
{
    const struct answer *a = in->a;
    bool silent = verdict_silent(a);
    if ((silent || a->status == ANSWER_SERVFAIL) && in->root->status != ANSWER_DATA &&
        in->root->status != ANSWER_BOGUS && in->trace->replies == 0)
        see_unreachable(in, all);
    else if (in->root->status == ANSWER_BOGUS || a->status == ANSWER_BOGUS)
        verdict_bogus(in, a, all);
    else if ((silent || a->status == ANSWER_SERVFAIL) && far_server(in))
        see_far(in, far_server(in), all);
    else if (silent)
        see_silence(in, all);
    else if (a->status == ANSWER_SERVFAIL && find_circle(in))
        see_circle(in, find_circle(in), all);
    else if (a->status == ANSWER_SERVFAIL)
        see_servfail(in, all);
    else if (a->status == ANSWER_NXDOMAIN)
        see_nxdomain(in, all);
    else
        return false;
    return true;
}

/* --- All of it -------------------------------------------------------------------------------- */

/* The resolver counts TTLs down and cuts long ones: the name servers say the whole. */
static uint32_t whole_ttl(const struct verdict_input *in, uint32_t ttl)
{
    const struct authority *a = in->authority;
    for (size_t i = 0; a && i < a->server_count; i++) {
        const struct authority_server *s = &a->servers[i];
        if (server_state(s) == SERVER_GOOD && s->a.status == ANSWER_DATA && s->a.ttl > ttl)
            ttl = s->a.ttl;
    }
    return ttl;
}

static void take_result(const struct verdict_input *in, struct dnscheck_result *r)
{
    const struct answer *a = in->a->status == ANSWER_DATA ? in->a : in->aaaa;
    if (in->a->status == ANSWER_DATA)
        answer_addresses(in->a, &r->a);
    if (in->aaaa->status == ANSWER_DATA)
        answer_addresses(in->aaaa, &r->aaaa);
    if (a->status == ANSWER_DATA)
        r->ttl = a->ttl;
    if (in->aaaa->status == ANSWER_DATA && in->aaaa->ttl > r->ttl)
        r->ttl = in->aaaa->ttl;
    if (r->ttl > 0)
        r->ttl = whole_ttl(in, r->ttl);
    r->secure = a->secure;
    r->chain_count = a->chain_count;
    memcpy(r->chain, a->chain, sizeof r->chain);
}

static void see_ok(const struct verdict_input *in, const struct dnscheck_result *r,
                   struct findings *all)
{
    char alias[ALIAS_TEXT], four[SET_TEXT], six[SET_TEXT];
    finding_add(all, SEVERITY_OK, "dns.ok", "%s%s points to this server: A %s, AAAA %s, TTL %u s%s",
                in->domain, words_alias(in->a, alias), address_set_print(&r->a, four, sizeof four),
                address_set_print(&r->aaaa, six, sizeof six), r->ttl,
                r->secure ? ", validated by DNSSEC" : "");
}

static void see_ttl(const struct verdict_input *in, const struct dnscheck_result *r,
                    struct findings *all)
{
    if (r->ttl <= DNSCHECK_TTL_GOOD)
        return;
    size_t i = finding_add(all, SEVERITY_WARN, "dns.ttl",
                           "the address of %s has a TTL of %u s: after a change some clients keep "
                           "the old one that long",
                           in->domain, r->ttl);
    finding_fix(all, i, "Set the TTL to %d while things still change; raise it later",
                DNSCHECK_TTL_GOOD);
}

static void see_no_validation(const struct verdict_input *in, struct findings *all)
{
    char server[ENDPOINT_TEXT];
    bool forward = in->options->resolver.any.sa_family != AF_UNSPEC;
    size_t i;
    if (in->validated)
        return;
    if (forward)
        i = finding_add(all, SEVERITY_WARN, "dns.dnssec.off",
                        "DNSSEC is not checked: the answers of %s are believed",
                        endpoint_print(&in->options->resolver, server));
    else
        i = finding_add(all, SEVERITY_WARN, "dns.dnssec.off",
                        "DNSSEC is not checked: root hints were given without a trust anchor");
    finding_fix(all, i, "Name the trust anchor of that root: --dns-trust-anchor=FILE");
}

/* What fails here need not fail for the CA, and no change in the domain's DNS cures it. */
static bool is_local(const struct verdict_input *in, const struct finding *one)
{
    if (strcmp(one->id, "dns.bogus") == 0)
        return in->root->status == ANSWER_BOGUS;
    return strcmp(one->id, "dns.unreachable") == 0;
}

void verdict_domain(const struct verdict_input *in, struct dnscheck_result *r, struct findings *all)
{
    size_t first = all->count;
    bool answered = in->a->status == ANSWER_DATA || in->a->status == ANSWER_NODATA ||
                    in->a->status == ANSWER_NXDOMAIN;
    bool disagree = answered && verdict_disagreement(in, all);

    if (disagree || !see_failure(in, all)) {
        take_result(in, r);
        if (!disagree)
            verdict_addresses(in, r, all);
        if (all->count == first)
            see_ok(in, r, all);
        see_ttl(in, r, all);
        verdict_caa(in, all);
    }
    if (answered)
        verdict_servers(in, all);
    if (in->trace->replies > 0 || in->root->status == ANSWER_DATA)
        see_no_validation(in, all);
    r->ready = true;
    for (size_t i = first; i < all->count; i++) {
        if (all->list[i].severity != SEVERITY_FAIL)
            continue;
        r->ready = false;
        if (is_local(in, &all->list[i]))
            r->local = true;
        else
            r->pending = true;
    }
}
