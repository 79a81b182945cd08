/* SPDX-License-Identifier: Apache-2.0 */
/* Which public addresses are ours. */
#include "dnscheck/verdict.h"

#define SET_TEXT 256

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

/* Judges an address that --ip4 or --ip6 names. */
static void see_given(const struct endpoint *e, int family, const char *option,
                      struct address_set *set, struct findings *all)
{
    char ip[ENDPOINT_TEXT];
    enum address_kind kind = address_classify(e);
    endpoint_print_ip(e, ip);
    if (e->any.sa_family != family || kind == ADDRESS_MULTICAST || kind == ADDRESS_UNSPECIFIED ||
        kind == ADDRESS_RESERVED) {
        size_t i = finding_add(all, SEVERITY_FAIL, "address.unusable",
                               "%s=%s: no server can have this address%s%s", option, ip,
                               *address_kind_text(kind) ? ", it is " : "", address_kind_text(kind));
        finding_fix(all, i, "Give the address under which clients reach this server");
        return;
    }
    address_set_add(set, e);
    if (kind == ADDRESS_CGNAT)
        explain_cgnat(e, true, SEVERITY_WARN, all);
    else if (address_is_public(e))
        finding_add(all, SEVERITY_OK, "address.given", "%s (named by %s)", ip, option);
    else
        explain_private(e, true, SEVERITY_WARN, all);
}

/* No public IPv4 address on the interfaces, and none was given. */
static void see_no_ip4(const struct dnscheck_options *o, struct dnscheck_own *own,
                       struct findings *all)
{
    enum severity severity = o->own_optional ? SEVERITY_WARN : SEVERITY_FAIL;
    char text[SET_TEXT];
    const struct address_set *found = &own->found.ip4;
    const struct endpoint *e = first_of_kind(found, ADDRESS_PRIVATE);

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
    bool only6 = own->public.ip6.count > 0;
    size_t i;
    if (only6)
        i = finding_add(all, SEVERITY_WARN, "address.missing",
                        "this server has no IPv4 address, only %s: clients without IPv6 cannot use "
                        "the relay",
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
        see_given(&o->ip4, AF_INET, "--ip4", &own->public.ip4, all);
    if (given6)
        see_given(&o->ip6, AF_INET6, "--ip6", &own->public.ip6, all);
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
