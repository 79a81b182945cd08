/* SPDX-License-Identifier: Apache-2.0 */
/* Which public addresses are ours. */
#include "base/translate.h"
#include "dnscheck/verdict.h"

#include <stdio.h>

#define SET_TEXT     256
#define WITNESS_TEXT 1024

static const struct endpoint *first_of_kind(const struct address_set *set, enum address_kind kind)
{
    for (size_t i = 0; i < set->count; i++) {
        if (address_classify(&set->list[i]) == kind)
            return &set->list[i];
    }
    return NULL;
}

static void keep_public(const struct address_set *from, struct address_set *to)
{
    for (size_t i = 0; i < from->count; i++) {
        if (address_is_public(&from->list[i]))
            address_set_add(to, &from->list[i]);
    }
}

static void explain_cgnat(const struct endpoint *e, bool given, enum severity severity,
                          struct findings *all)
{
    char ip[ENDPOINT_TEXT];
    endpoint_print_ip(e, ip);
    size_t i = finding_add(all, severity, "address.cgnat",
                           "%s is a carrier-NAT address (100.64.0.0/10): the internet cannot reach "
                           "it, and Tailscale clients on Linux drop that range, so a relay there "
                           "does not work for them%s",
                           ip, given ? "; used because it was named" : "");
    if (given)
        finding_fix(all, i,
                    "Use the server's public IPv4 address, unless this is a private test "
                    "without Linux clients");
    else
        finding_fix(all, i,
                    "Name the server's public IPv4 address with --ip4=ADDRESS; if it has none, ask "
                    "the provider for one. For a private test: --ip4=%s",
                    ip);
}

static void explain_private(const struct endpoint *e, bool given, enum severity severity,
                            struct findings *all)
{
    char ip[ENDPOINT_TEXT];
    endpoint_print_ip(e, ip);
    const char *kind = address_kind_text(address_classify(e));
    if (given) {
        finding_add(all, severity, "address.private",
                    "%s, named as this server's address, is %s: only clients inside that network "
                    "can use the relay",
                    ip, kind);
        return;
    }
    size_t i = finding_add(all, severity, "address.private",
                           "no public IPv4 address on this server's interfaces: %s is %s (most "
                           "clouds translate a public address to it)",
                           ip, kind);
    finding_fix(all, i,
                "Look the public IPv4 address up in the provider's console and name it: "
                "--ip4=ADDRESS. For a private network: --ip4=%s",
                ip);
}

/* Beside a public IPv6 address: the private one may be that of a bridge for containers. */
static void explain_only6(const struct endpoint *e, const struct address_set *ip6,
                          struct findings *all)
{
    char ip[ENDPOINT_TEXT], six[SET_TEXT];
    endpoint_print_ip(e, ip);
    size_t i = finding_add(all, SEVERITY_WARN, "address.private",
                           "no public IPv4 address on this server's interfaces, only IPv6 %s (%s "
                           "is %s): clients without IPv6 cannot use the relay",
                           address_set_print(ip6, six, sizeof six), ip,
                           address_kind_text(address_classify(e)));
    finding_fix(all, i,
                "Nothing, if this server has IPv6 only; if the provider translates a public IPv4 "
                "address to %s, name it: --ip4=ADDRESS",
                ip);
}

/* Judges an address that somebody has named, now (--ip4, --ip6, --ip) or in an earlier run. */
static void see_given(const struct endpoint *e, int family, struct address_set *set,
                      struct findings *all)
{
    char ip[ENDPOINT_TEXT];
    enum address_kind kind = address_classify(e);
    endpoint_print_ip(e, ip);
    if (e->any.sa_family != family || kind == ADDRESS_MULTICAST || kind == ADDRESS_UNSPECIFIED ||
        kind == ADDRESS_RESERVED) {
        size_t i =
            finding_add(all, SEVERITY_FAIL, "address.unusable",
                        "%s was named as this server's address: no server can have it%s%s", ip,
                        *address_kind_text(kind) ? ", it is " : "", address_kind_text(kind));
        finding_fix(all, i, "Give the address under which clients reach this server");
        return;
    }
    address_set_add(set, e);
    if (kind == ADDRESS_CGNAT)
        explain_cgnat(e, true, SEVERITY_WARN, all);
    else if (address_is_public(e))
        finding_add(all, SEVERITY_OK, "address.given", "%s, as it was named", ip);
    else
        explain_private(e, true, SEVERITY_WARN, all);
}

/* --- Witnesses ---------------------------------------------------------------------------------
 */

/* What the witnesses say, counted. */
struct testimony {
    const struct endpoint *best; /* said by most; NULL: nobody said anything */
    size_t votes;                /* for best */
    size_t answers;
    const struct endpoint *cloud;   /* what the metadata say */
    const struct endpoint *earlier; /* what an earlier run found */
};

static bool has_said(const struct dnscheck_witness *w)
{
    return w->ip4.any.sa_family == AF_INET;
}

static size_t count_votes(const struct dnscheck_options *o, const struct endpoint *e)
{
    size_t votes = 0;
    for (size_t i = 0; i < o->witness_count; i++)
        votes += has_said(&o->witnesses[i]) && endpoint_same_ip(&o->witnesses[i].ip4, e);
    return votes;
}

static void hear(const struct dnscheck_options *o, struct testimony *t)
{
    *t = (struct testimony){.best = NULL};
    for (size_t i = 0; i < o->witness_count; i++) {
        const struct dnscheck_witness *w = &o->witnesses[i];
        if (!has_said(w))
            continue;
        t->answers++;
        if (w->kind == WITNESS_METADATA)
            t->cloud = &w->ip4;
        if (w->kind == WITNESS_EARLIER)
            t->earlier = &w->ip4;
        size_t votes = count_votes(o, &w->ip4);
        if (votes > t->votes) {
            t->votes = votes;
            t->best = &w->ip4;
        }
    }
}

/* "the metadata of Amazon EC2 and stun.example.net" of those that say e; of the others, with what
 * they say, when e is NULL. */
static const char *print_witnesses(const struct dnscheck_options *o, const struct endpoint *e,
                                   char text[static WITNESS_TEXT])
{
    char ip[ENDPOINT_TEXT];
    text[0] = '\0';
    for (size_t i = 0; i < o->witness_count; i++) {
        const struct dnscheck_witness *w = &o->witnesses[i];
        if (!has_said(w) || (e && !endpoint_same_ip(&w->ip4, e)))
            continue;
        translate_append(text, WITNESS_TEXT, "%s%s%s%s", *text ? N_(", ") : "", w->name,
                         e ? "" : " says ", e ? "" : endpoint_print_ip(&w->ip4, ip));
    }
    return text;
}

static void believe(const struct endpoint *e, struct dnscheck_own *own)
{
    address_set_add(&own->public.ip4, e);
    own->known4 = true;
}

/* In a cloud: the address that this server sends from, and perhaps is not reached at. */
static void see_gateway(const struct dnscheck_options *o, const char *ip, const char *who,
                        const char *inside, struct findings *all)
{
    size_t i = finding_add(all, SEVERITY_WARN, "address.nat",
                           "this server's public address should be %s (%s agree), but the metadata "
                           "of %s do not name it: it may be that of a NAT gateway for outgoing "
                           "traffic, where nothing arrives",
                           ip, who, cloud_name(o->cloud));
    finding_fix(all, i,
                "See in the provider's console whether %s belongs to this server. If not, give it "
                "a public address of its own, or have 443/tcp and 3478/udp forwarded to %s",
                ip, inside);
}

static void see_nat(const struct dnscheck_options *o, const struct testimony *t,
                    const struct endpoint *private, struct findings *all)
{
    char ip[ENDPOINT_TEXT], inside[ENDPOINT_TEXT], who[WITNESS_TEXT];
    endpoint_print_ip(t->best, ip);
    endpoint_print_ip(private, inside);
    print_witnesses(o, t->best, who);
    if (o->cloud != CLOUD_NONE && !t->cloud && cloud_service(o->cloud)) {
        see_gateway(o, ip, who, inside, all);
        return;
    }
    if (o->cloud != CLOUD_NONE) {
        finding_add(all, SEVERITY_OK, "address.nat",
                    "this server's public address: IPv4 %s (%s agree), which %s translates to %s",
                    ip, who, cloud_name(o->cloud), inside);
        return;
    }
    size_t i =
        finding_add(all, SEVERITY_WARN, "address.nat",
                    "this server is behind NAT: its public address is %s (%s agree), its own "
                    "is %s; whether what arrives there is passed on cannot be seen from here",
                    ip, who, inside);
    finding_fix(all, i,
                "Have the router forward 443/tcp and 3478/udp of %s to %s. If the provider "
                "translates the whole address (1:1), nothing is to be done",
                ip, inside);
}

static void see_egress(const struct dnscheck_options *o, const struct testimony *t,
                       struct findings *all)
{
    char ip[ENDPOINT_TEXT], who[WITNESS_TEXT];
    size_t i = finding_add(all, SEVERITY_WARN, "address.egress",
                           "what this server sends comes from another address than the one it is "
                           "reached at: %s; taken is %s, from the metadata",
                           print_witnesses(o, NULL, who), endpoint_print_ip(t->cloud, ip));
    finding_fix(
        all, i,
        "Nothing, if a NAT gateway for outgoing traffic is meant to be there; otherwise name "
        "the right address: --ip4=ADDRESS");
}

static void see_unproven(const struct dnscheck_options *o, const struct endpoint *e,
                         struct findings *all)
{
    char ip[ENDPOINT_TEXT], who[WITNESS_TEXT];
    endpoint_print_ip(e, ip);
    size_t i = finding_add(all, SEVERITY_WARN, "address.unproven",
                           "this server's public IPv4 address should be %s; only %s says so", ip,
                           print_witnesses(o, e, who));
    finding_fix(all, i, "If that is right, say so: --ip4=%s", ip);
}

static void see_contradiction(const struct dnscheck_options *o, const struct testimony *t,
                              struct findings *all)
{
    char ip[ENDPOINT_TEXT], who[WITNESS_TEXT];
    bool several = t->answers > 1;
    size_t i = finding_add(all, SEVERITY_FAIL, several ? "address.disagree" : "address.private",
                           "no public IPv4 address on this server's interfaces, and %s: %s",
                           several ? "those who were asked for it do not agree"
                                   : "only one of those who were asked for it answers",
                           print_witnesses(o, NULL, who));
    finding_fix(
        all, i,
        "Look the public IPv4 address up in the provider's console and name it, for example "
        "--ip4=%s",
        endpoint_print_ip(t->best, ip));
}

/* True when witnesses settle the matter, for good or bad. */
static bool see_witnesses(const struct dnscheck_options *o, const struct endpoint *private,
                          struct dnscheck_own *own, struct findings *all)
{
    struct testimony t;
    hear(o, &t);
    if (!t.best)
        return false;
    if (t.cloud && !endpoint_same_ip(t.cloud, t.best)) {
        see_egress(o, &t, all);
        believe(t.cloud, own);
    } else if (t.votes > 1 && 2 * t.votes > t.answers) {
        see_nat(o, &t, private, all);
        believe(t.best, own);
    } else if (t.cloud && t.answers > 1) {
        see_egress(o, &t, all);
        believe(t.cloud, own);
    } else if (t.answers == 1 && (t.cloud || t.earlier)) {
        see_unproven(o, t.best, all);
        believe(t.best, own);
    } else {
        see_contradiction(o, &t, all);
    }
    return true;
}

/* --- Interfaces --------------------------------------------------------------------------------
 */

/* No public IPv4 address on the interfaces, and none was given. */
static void see_no_ip4(const struct dnscheck_options *o, struct dnscheck_own *own,
                       struct findings *all)
{
    enum severity severity = o->own_optional ? SEVERITY_WARN : SEVERITY_FAIL;
    char text[SET_TEXT];
    const struct address_set *found = &own->found.ip4;
    const struct endpoint *e = first_of_kind(found, ADDRESS_PRIVATE);

    bool only6 = own->public.ip6.count > 0;

    if (e && see_witnesses(o, e, own, all))
        return;
    if (e && only6) {
        explain_only6(e, &own->public.ip6, all);
        return;
    }
    if (e) {
        explain_private(e, false, severity, all);
        return;
    }
    e = first_of_kind(found, ADDRESS_CGNAT);
    if (e) {
        explain_cgnat(e, false, severity, all);
        return;
    }
    own->known4 = found->count == 0;
    size_t i;
    if (only6)
        i = finding_add(all, SEVERITY_WARN, "address.missing",
                        "this server has no public IPv4 address, only %s: clients without IPv6 "
                        "cannot use the relay",
                        address_set_print(&own->public.ip6, text, sizeof text));
    else
        i = finding_add(all, severity, "address.missing",
                        "no network interface of this server has an address that clients could "
                        "reach");
    finding_fix(all, i, "Configure the network, or name the public address: --ip4=ADDRESS");
}

static void see_interfaces(const struct dnscheck_options *o, struct dnscheck_own *own,
                           struct findings *all)
{
    char four[SET_TEXT], six[SET_TEXT];
    if (own->public.ip4.count == 0) {
        own->known4 = false;
        see_no_ip4(o, own, all);
        return;
    }
    finding_add(all, SEVERITY_OK, "address.ok", "this server's public address: IPv4 %s, IPv6 %s",
                address_set_print(&own->public.ip4, four, sizeof four),
                address_set_print(&own->public.ip6, six, sizeof six));
}

void verdict_own(const struct dnscheck_options *o, const struct address_pair *found,
                 const char *why, struct dnscheck_own *own, struct findings *all)
{
    bool given4 = o->ip4.any.sa_family != AF_UNSPEC;
    bool given6 = o->ip6.any.sa_family != AF_UNSPEC && !o->no_ipv6;

    *own = (struct dnscheck_own){.known4 = found || given4, .known6 = found || given6};
    if (found) {
        own->found = *found;
        if (!given4)
            keep_public(&found->ip4, &own->public.ip4);
        if (!given6 && !o->no_ipv6)
            keep_public(&found->ip6, &own->public.ip6);
    }
    if (o->no_ipv6)
        own->known6 = true;
    if (given4)
        see_given(&o->ip4, AF_INET, &own->public.ip4, all);
    if (given6)
        see_given(&o->ip6, AF_INET6, &own->public.ip6, all);
    if (given4)
        return;
    if (found) {
        see_interfaces(o, own, all);
        return;
    }
    size_t i = finding_add(all, SEVERITY_WARN, "address.unknown",
                           "this server's own addresses are not known: %s", why);
    finding_fix(all, i, "Name them: --ip4=ADDRESS --ip6=ADDRESS");
}
