/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/verdict.h"

#include <stdio.h>
#include <string.h>

#define SET_TEXT 256
#define AGAIN    "then run: derp-setup check %s"

/* Room for " (an alias of NAME)". */
#define ALIAS_TEXT (DNSCHECK_NAME_MAX + 20)

static const char *print_alias(const struct answer *a, char text[static ALIAS_TEXT])
{
    text[0] = '\0';
    if (a->chain_count > 0)
        snprintf(text, ALIAS_TEXT, " (an alias of %s)", a->chain[a->chain_count - 1]);
    return text;
}

/* The addresses of ours that a record should hold, or words for them. */
static const char *print_wanted(const struct address_set *ours, const char *otherwise, char *text,
                                size_t cap)
{
    if (ours->count > 0)
        return address_set_print(ours, text, cap);
    snprintf(text, cap, "%s", otherwise);
    return text;
}

static const char *print_wanted4(const struct verdict_input *in, char text[static SET_TEXT])
{
    return print_wanted(&in->own->public.ip4, "this server's public IPv4 address", text, SET_TEXT);
}

/* ", a private address" after an address that the internet cannot reach. */
static const char *print_kind(const struct address_set *set, char text[static SET_TEXT])
{
    text[0] = '\0';
    for (size_t i = 0; i < set->count; i++) {
        const char *kind = address_kind_text(address_classify(&set->list[i]));
        if (*kind) {
            snprintf(text, SET_TEXT, ", %s", kind);
            break;
        }
    }
    return text;
}

/* How the record of this type is to be set; an alias cannot have one beside it. */
static void fix_record(const struct verdict_input *in, const char *type, const char *wanted,
                       struct findings *all, size_t index)
{
    const struct answer *a = in->a;
    if (a->chain_count > 0)
        finding_fix(all, index,
                    "Replace the CNAME record of %s by the %s record %s with TTL %d at your DNS "
                    "provider (or correct %s), " AGAIN,
                    in->domain, type, wanted, DNSCHECK_TTL_GOOD, a->chain[a->chain_count - 1],
                    in->domain);
    else
        finding_fix(all, index,
                    "Set the %s record of %s to %s with TTL %d at your DNS provider, " AGAIN, type,
                    in->domain, wanted, DNSCHECK_TTL_GOOD, in->domain);
}

/* " (the name servers of demo.com answered, 203.0.113.53 the last)", as far as it is known. */
#define WHO_TEXT (DNSCHECK_NAME_MAX + 128)

static const char *print_who(const struct verdict_input *in, char text[static WHO_TEXT])
{
    const struct trace *t = in->trace;
    text[0] = '\0';
    if (t->replies == 0)
        return text;
    if (in->options->resolver.any.sa_family != AF_UNSPEC)
        snprintf(text, WHO_TEXT, " (asked through %s)", t->server);
    else if (t->zone[0] == '\0')
        snprintf(text, WHO_TEXT, " (the last to answer was the root server %s)", t->server);
    else
        snprintf(text, WHO_TEXT, " (the last to answer was %s, a name server of %s)", t->server,
                 t->zone);
    return text;
}

/* --- No usable answer ---------------------------------------------------------------------- */

static bool is_silent(const struct answer *a)
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
    char who[WHO_TEXT];
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.timeout",
                           "the name servers of %s did not answer in time%s", in->domain,
                           print_who(in, who));
    finding_fix(all, i,
                "Check at your DNS provider and registrar that the domain's name servers (NS) are "
                "the right ones and reachable, " AGAIN,
                in->domain);
}

static void see_servfail(const struct verdict_input *in, struct findings *all)
{
    char who[WHO_TEXT];
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.servfail",
                           "the name servers of %s give no usable answer (SERVFAIL): they refuse, "
                           "are not set up for it, or are broken%s",
                           in->domain, print_who(in, who));
    finding_fix(all, i,
                "Check at your DNS provider and registrar that the domain's name servers (NS) are "
                "the right ones and serve its zone, " AGAIN,
                in->domain);
}

static void see_bogus(const struct verdict_input *in, const struct answer *a, struct findings *all)
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

static void see_nxdomain(const struct verdict_input *in, struct findings *all)
{
    char who[WHO_TEXT], wanted[SET_TEXT];
    const struct answer *a = in->a;
    size_t i;
    print_wanted4(in, wanted);
    if (a->chain_count == 0 && is_undelegated(in)) {
        i = finding_add(all, SEVERITY_FAIL, "dns.nxdomain",
                        "%s does not exist in the DNS: its domain is not registered or has no name "
                        "servers yet%s",
                        in->domain, print_who(in, who));
        finding_fix(all, i,
                    "Check the spelling; register the domain or wait until its registrar has "
                    "published it; set the A record of %s to %s with TTL %d, " AGAIN,
                    in->domain, wanted, DNSCHECK_TTL_GOOD, in->domain);
        return;
    }
    if (a->chain_count > 0)
        i = finding_add(all, SEVERITY_FAIL, "dns.nxdomain",
                        "%s is an alias of %s, which does not exist%s; expected the address %s",
                        in->domain, a->chain[a->chain_count - 1], print_who(in, who), wanted);
    else
        i = finding_add(all, SEVERITY_FAIL, "dns.nxdomain",
                        "%s does not exist in the DNS%s; expected an A record with %s", in->domain,
                        print_who(in, who), wanted);
    fix_record(in, "A", wanted, all, i);
}

/* True when the question for A has failed as a whole; the one finding that says why is added. */
static bool see_failure(const struct verdict_input *in, struct findings *all)
{
    const struct answer *a = in->a;
    bool silent = is_silent(a);
    if ((silent || a->status == ANSWER_SERVFAIL) && in->root->status != ANSWER_DATA &&
        in->root->status != ANSWER_BOGUS && in->trace->replies == 0)
        see_unreachable(in, all);
    else if (in->root->status == ANSWER_BOGUS || a->status == ANSWER_BOGUS)
        see_bogus(in, a, all);
    else if (silent)
        see_silence(in, all);
    else if (a->status == ANSWER_SERVFAIL)
        see_servfail(in, all);
    else if (a->status == ANSWER_NXDOMAIN)
        see_nxdomain(in, all);
    else
        return false;
    return true;
}

/* --- Addresses -------------------------------------------------------------------------------- */

/* Parts set into addresses of ours and others. */
static void part(const struct address_set *set, const struct address_set *ours,
                 struct address_set *own, struct address_set *other)
{
    *own = *other = (struct address_set){0};
    for (size_t i = 0; i < set->count; i++)
        address_set_add(address_set_has(ours, &set->list[i]) ? own : other, &set->list[i]);
}

static void see_a_missing(const struct verdict_input *in, const struct address_set *aaaa_own,
                          struct findings *all)
{
    char alias[ALIAS_TEXT], wanted[SET_TEXT];
    print_wanted4(in, wanted);
    print_alias(in->a, alias);
    if (in->own->known4 && in->own->public.ip4.count == 0 && aaaa_own->count > 0) {
        finding_add(all, SEVERITY_WARN, "dns.a.missing",
                    "%s%s has no A record, as this server has no IPv4 address: clients without "
                    "IPv6 cannot use the relay",
                    in->domain, alias);
        return;
    }
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.a.missing",
                           "%s%s exists, but has no A record (IPv4 address); expected %s",
                           in->domain, alias, wanted);
    fix_record(in, "A", wanted, all, i);
}

static void see_a_unchecked(const struct verdict_input *in, const struct address_set *a,
                            struct findings *all)
{
    char alias[ALIAS_TEXT], text[SET_TEXT], kind[SET_TEXT], ip[ENDPOINT_TEXT];
    size_t i = finding_add(all, SEVERITY_WARN, "dns.a.unchecked",
                           "%s%s points to %s%s; whether that is this server cannot be told, its "
                           "public IPv4 address is not known",
                           in->domain, print_alias(in->a, alias),
                           address_set_print(a, text, sizeof text), print_kind(a, kind));
    endpoint_print_ip(&a->list[0], ip);
    finding_fix(all, i, "If %s is this server's public address, say so: derp-setup --ip4=%s %s", ip,
                ip, in->domain);
}

/* also6: the AAAA records are somebody else's too; one finding then names both. */
static void see_a_mismatch(const struct verdict_input *in, const struct address_set *a,
                           const struct address_set *also6, struct findings *all)
{
    char alias[ALIAS_TEXT], found[SET_TEXT], six[SET_TEXT], kind[SET_TEXT], wanted[SET_TEXT];
    print_wanted4(in, wanted);
    size_t i = finding_add(
        all, SEVERITY_FAIL, "dns.a.mismatch",
        "%s%s points to somebody else's server: found %s%s%s%s, expected %s (TTL %u s)", in->domain,
        print_alias(in->a, alias), address_set_print(a, found, sizeof found),
        also6->count ? " and " : "", also6->count ? address_set_print(also6, six, sizeof six) : "",
        print_kind(a, kind), in->own->public.ip4.count ? wanted : "an address of this server",
        in->a->ttl);
    if (also6->count > 0)
        finding_fix(
            all, i,
            "Set the A record of %s to %s with TTL %d and remove the AAAA record %s at your "
            "DNS provider, " AGAIN,
            in->domain, wanted, DNSCHECK_TTL_GOOD, six, in->domain);
    else
        fix_record(in, "A", wanted, all, i);
}

static void see_a_extra(const struct verdict_input *in, const struct address_set *own,
                        const struct address_set *other, struct findings *all)
{
    char alias[ALIAS_TEXT], ours[SET_TEXT], theirs[SET_TEXT], kind[SET_TEXT];
    address_set_print(own, ours, sizeof ours);
    address_set_print(other, theirs, sizeof theirs);
    size_t i =
        finding_add(all, SEVERITY_FAIL, "dns.a.extra",
                    "%s%s has several A records: %s is this server, but %s is not%s, and "
                    "clients and the CA take any of them",
                    in->domain, print_alias(in->a, alias), ours, theirs, print_kind(other, kind));
    finding_fix(all, i, "Remove the A record %s of %s at your DNS provider, " AGAIN, theirs,
                in->a->chain_count ? in->a->chain[in->a->chain_count - 1] : in->domain, in->domain);
}

static void see_aaaa_stray(const struct verdict_input *in, const struct address_set *other,
                           struct findings *all)
{
    char alias[ALIAS_TEXT], theirs[SET_TEXT], kind[SET_TEXT], ours[SET_TEXT];
    const struct address_set *own = &in->own->public.ip6;
    address_set_print(other, theirs, sizeof theirs);
    address_set_print(own, ours, sizeof ours);
    size_t i =
        finding_add(all, SEVERITY_FAIL, "dns.aaaa.stray",
                    "%s%s has the AAAA record %s%s, which is not this server (its IPv6: %s); "
                    "the CA and clients try IPv6 first",
                    in->domain, print_alias(in->aaaa, alias), theirs, print_kind(other, kind),
                    in->options->no_ipv6 ? "switched off" : ours);
    const struct answer *a = in->aaaa;
    const char *name = a->chain_count ? a->chain[a->chain_count - 1] : in->domain;
    if (own->count == 0)
        finding_fix(all, i, "Remove the AAAA record %s of %s at your DNS provider, " AGAIN, theirs,
                    name, in->domain);
    else
        finding_fix(all, i,
                    "Remove the AAAA record %s of %s at your DNS provider or set it to %s, " AGAIN,
                    theirs, name, ours, in->domain);
}

static void see_aaaa_unanswered(const struct verdict_input *in, struct findings *all)
{
    if (in->aaaa->status == ANSWER_BOGUS) {
        see_bogus(in, in->aaaa, all);
        return;
    }
    size_t i = finding_add(all, SEVERITY_WARN, is_silent(in->aaaa) ? "dns.timeout" : "dns.servfail",
                           "the name servers of %s answer for IPv4 (A), but not for IPv6 (AAAA)",
                           in->domain);
    finding_fix(
        all, i,
        "Ask your DNS provider why questions of type AAAA fail; some clients and CAs give up "
        "on such a name");
}

static void see_addresses(const struct verdict_input *in, const struct dnscheck_result *r,
                          struct findings *all)
{
    struct address_set own4, other4, own6, other6;
    part(&r->a, &in->own->public.ip4, &own4, &other4);
    part(&r->aaaa, &in->own->public.ip6, &own6, &other6);
    const struct address_set none = {0};
    bool stray = in->own->known6 && other6.count > 0;
    bool elsewhere = false;

    if (r->a.count == 0) {
        see_a_missing(in, &own6, all);
    } else if (!in->own->known4) {
        see_a_unchecked(in, &r->a, all);
    } else if (own4.count == 0) {
        elsewhere = own6.count == 0;
        see_a_mismatch(in, &other4, stray && elsewhere ? &other6 : &none, all);
    } else if (other4.count > 0) {
        see_a_extra(in, &own4, &other4, all);
    }
    if (stray && !elsewhere)
        see_aaaa_stray(in, &other6, all);
    if (in->aaaa->status != ANSWER_DATA && in->aaaa->status != ANSWER_NODATA &&
        in->aaaa->status != ANSWER_NXDOMAIN)
        see_aaaa_unanswered(in, all);
}

/* --- All of it -------------------------------------------------------------------------------- */

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
    r->secure = a->secure;
    r->chain_count = a->chain_count;
    memcpy(r->chain, a->chain, sizeof r->chain);
}

static void see_ok(const struct verdict_input *in, const struct dnscheck_result *r,
                   struct findings *all)
{
    char alias[ALIAS_TEXT], four[SET_TEXT], six[SET_TEXT];
    finding_add(all, SEVERITY_OK, "dns.ok", "%s%s points to this server: A %s, AAAA %s, TTL %u s%s",
                in->domain, print_alias(in->a, alias), address_set_print(&r->a, four, sizeof four),
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

    if (!see_failure(in, all)) {
        take_result(in, r);
        see_addresses(in, r, all);
        if (all->count == first)
            see_ok(in, r, all);
        see_ttl(in, r, all);
        verdict_caa(in, all);
    }
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
