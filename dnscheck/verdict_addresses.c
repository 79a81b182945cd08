/* SPDX-License-Identifier: Apache-2.0 */
/* Whose addresses the domain's records hold. */
#include <stdio.h>
#include <string.h>

#include "dnscheck/suspects.h"
#include "dnscheck/verdict.h"
#include "dnscheck/words.h"

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
    words_wanted(in, wanted);
    words_alias(in->a, alias);
    /* A private address, as of a container's bridge, does not make it a server with IPv4. */
    if (in->own->public.ip4.count == 0 && aaaa_own->count > 0) {
        size_t i = finding_add(all, SEVERITY_WARN, "dns.a.missing",
                               "%s%s has no A record, and no public IPv4 address of this server "
                               "is known: clients without IPv6 cannot use the relay",
                               in->domain, alias);
        if (!in->own->known4)
            finding_fix(all, i,
                        "Nothing, if this server has IPv6 only; otherwise set an A record to its "
                        "public IPv4 address and name that: --ip4=ADDRESS");
        return;
    }
    size_t i =
        finding_add(all, SEVERITY_FAIL, "dns.a.missing",
                    "%s%s exists, but has no %s record (%s address); expected %s", in->domain,
                    alias, words_record(in), words_only6(in) ? "IPv6" : "IPv4", wanted);
    words_fix_record(in, "", all, i);
}

static void see_a_unchecked(const struct verdict_input *in, const struct address_set *a,
                            struct findings *all)
{
    char alias[ALIAS_TEXT], text[SET_TEXT], kind[SET_TEXT], ip[ENDPOINT_TEXT];
    size_t i = finding_add(all, SEVERITY_WARN, "dns.a.unchecked",
                           "%s%s points to %s%s; whether that is this server cannot be told, its "
                           "public IPv4 address is not known",
                           in->domain, words_alias(in->a, alias),
                           address_set_print(a, text, sizeof text), words_kind(a, kind));
    endpoint_print_ip(&a->list[0], ip);
    finding_fix(all, i, "If %s is this server's public address, say so: derp-setup --ip4=%s %s", ip,
                ip, in->domain);
}

/* --- Somebody else's address, and why it may stand there ----------------------------------------
 */

/* The content delivery network that all of set belongs to, or the alias leads to; or NULL. */
static const char *find_cdn(const struct answer *a, const struct address_set *set)
{
    for (size_t i = 0; i < a->chain_count; i++) {
        const char *cdn = suspect_cdn_alias(a->chain[i]);
        if (cdn)
            return cdn;
    }
    const char *cdn = set->count > 0 ? suspect_cdn_address(&set->list[0]) : NULL;
    for (size_t i = 1; cdn && i < set->count; i++) {
        const char *other = suspect_cdn_address(&set->list[i]);
        if (!other || strcmp(other, cdn) != 0)
            cdn = NULL;
    }
    return cdn;
}

static void see_cdn(const struct verdict_input *in, const char *cdn, const struct address_set *a,
                    struct findings *all)
{
    char alias[ALIAS_TEXT], found[SET_TEXT], wanted[SET_TEXT];
    words_wanted(in, wanted);
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.cdn",
                           "%s%s points to %s, addresses of the content delivery network %s, and "
                           "not to this server (expected %s): clients and the CA would talk TLS "
                           "with %s, which does not pass a relay's connections on",
                           in->domain, words_alias(in->a, alias),
                           address_set_print(a, found, sizeof found), cdn, wanted, cdn);
    if (in->a->chain_count == 0 && strcmp(cdn, "Cloudflare") == 0)
        finding_fix(all, i,
                    "At Cloudflare switch the proxy of this record off (\"DNS only\", the grey "
                    "cloud) and make it the %s record %s, " AGAIN,
                    words_record(in), wanted, in->domain);
    else
        words_fix_record(in, "", all, i);
}

/* Who parks the domain, by its name servers; or NULL. */
static const char *find_parking(const struct verdict_input *in, const char **server)
{
    const struct authority *s = in->authority;
    for (size_t i = 0; s && i < s->name_count; i++) {
        const char *who = suspect_parking(s->names[i].name);
        *server = s->names[i].name;
        if (who)
            return who;
    }
    return NULL;
}

/* True when a made-up name has just the same answer: then the domain has no record of its own. */
static bool is_wildcard(const struct verdict_input *in)
{
    const struct answer *w = in->wildcard, *a = in->a;
    struct address_set one = {0}, other = {0};
    if (!w || w->status != ANSWER_DATA || a->status != ANSWER_DATA ||
        w->chain_count != a->chain_count ||
        (a->chain_count > 0 && strcmp(w->chain[0], a->chain[0]) != 0))
        return false;
    answer_addresses(w, &one);
    answer_addresses(a, &other);
    for (size_t i = 0; i < one.count; i++)
        if (!address_set_has(&other, &one.list[i]))
            return false;
    return one.count == other.count;
}

static void see_parked(const struct verdict_input *in, const char *who, const char *server,
                       const struct address_set *a, struct findings *all)
{
    char found[SET_TEXT], wanted[SET_TEXT];
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.a.mismatch",
                           "%s is parked: its name server %s is that of %s, so it points to %s; "
                           "expected %s",
                           in->domain, server, who, address_set_print(a, found, sizeof found),
                           words_wanted(in, wanted));
    finding_fix(all, i,
                "See at the registrar whether the domain has expired and set its name servers to "
                "your DNS provider's; then set the %s record of %s to %s with TTL %d, " AGAIN,
                words_record(in), in->domain, wanted, DNSCHECK_TTL_GOOD, in->domain);
}

static void see_wildcard(const struct verdict_input *in, const struct address_set *a,
                         struct findings *all)
{
    char found[SET_TEXT], wanted[SET_TEXT], kind[SET_TEXT], otherwise[NAME_IT_TEXT];
    const char *parent = strchr(in->domain, '.');
    size_t i =
        finding_add(all, SEVERITY_FAIL, "dns.a.mismatch",
                    "%s has no record of its own: the wildcard *%s answers for it with %s%s; "
                    "expected %s",
                    in->domain, parent, address_set_print(a, found, sizeof found),
                    words_kind(a, kind), words_wanted(in, wanted));
    finding_fix(all, i,
                "Add an %s record for %s with %s and TTL %d at your DNS provider (the wildcard may "
                "stay), " AGAIN "%s",
                words_record(in), in->domain, wanted, DNSCHECK_TTL_GOOD, in->domain,
                words_name_it(in, a, otherwise));
}

/* True when the reason is known and was told. */
static bool see_known_reason(const struct verdict_input *in, const struct address_set *a,
                             struct findings *all)
{
    const char *server = NULL, *parking = find_parking(in, &server);
    const char *cdn = find_cdn(in->a, a);
    if (parking)
        see_parked(in, parking, server, a, all);
    else if (cdn)
        see_cdn(in, cdn, a, all);
    else if (is_wildcard(in))
        see_wildcard(in, a, all);
    else
        return false;
    return true;
}

/* also6: the AAAA records are somebody else's too; "" when there are none. */
static void fix_a_mismatch(const struct verdict_input *in, const struct address_set *a,
                           const char *also6, struct findings *all, size_t index)
{
    char found[SET_TEXT], wanted[SET_TEXT], otherwise[NAME_IT_TEXT];
    const struct answer *name = in->a;
    words_wanted(in, wanted);
    words_name_it(in, a, otherwise);
    if (words_only6(in) && (name->chain_count == 0 || (in->aaaa->status == ANSWER_DATA && !*also6)))
        finding_fix(
            all, index,
            "Remove the A record %s of %s at your DNS provider and let its AAAA record be %s with "
            "TTL %d, " AGAIN "%s",
            address_set_print(a, found, sizeof found),
            name->chain_count ? name->chain[name->chain_count - 1] : in->domain, wanted,
            DNSCHECK_TTL_GOOD, in->domain, otherwise);
    else if (*also6)
        finding_fix(
            all, index,
            "Set the A record of %s to %s with TTL %d and remove the AAAA record %s at your "
            "DNS provider, " AGAIN "%s",
            in->domain, wanted, DNSCHECK_TTL_GOOD, also6, in->domain, otherwise);
    else
        words_fix_record(in, otherwise, all, index);
}

/* also6: the AAAA records are somebody else's too; one finding then names both. */
static void see_a_mismatch(const struct verdict_input *in, const struct address_set *a,
                           const struct address_set *also6, struct findings *all)
{
    char alias[ALIAS_TEXT], found[SET_TEXT], six[SET_TEXT] = "", kind[SET_TEXT], wanted[SET_TEXT];
    const struct address_pair *own = &in->own->public;
    if (see_known_reason(in, a, all))
        return;
    if (also6->count > 0)
        address_set_print(also6, six, sizeof six);
    words_wanted(in, wanted);
    size_t i = finding_add(
        all, SEVERITY_FAIL, "dns.a.mismatch",
        "%s%s points to somebody else's server: found %s%s%s%s, expected %s (TTL %u s)", in->domain,
        words_alias(in->a, alias), address_set_print(a, found, sizeof found),
        also6->count ? " and " : "", six, words_kind(a, kind),
        own->ip4.count || own->ip6.count ? wanted : "an address of this server", in->a->ttl);
    fix_a_mismatch(in, a, six, all, i);
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
                    in->domain, words_alias(in->a, alias), ours, theirs, words_kind(other, kind));
    finding_fix(all, i, "Remove the A record %s of %s at your DNS provider, " AGAIN, theirs,
                in->a->chain_count ? in->a->chain[in->a->chain_count - 1] : in->domain, in->domain);
}

/* beside: another AAAA record is ours. Naming this address would then make that one stray. */
static void see_aaaa_stray(const struct verdict_input *in, const struct address_set *other,
                           bool beside, struct findings *all)
{
    char alias[ALIAS_TEXT], theirs[SET_TEXT], kind[SET_TEXT], ours[SET_TEXT];
    char otherwise[NAME_IT_TEXT] = "";
    const struct address_set *own = &in->own->public.ip6;
    if (!beside)
        words_name_it(in, other, otherwise);
    address_set_print(other, theirs, sizeof theirs);
    address_set_print(own, ours, sizeof ours);
    size_t i =
        finding_add(all, SEVERITY_FAIL, "dns.aaaa.stray",
                    "%s%s has the AAAA record %s%s, which is not this server (its IPv6: %s); "
                    "the CA and clients try IPv6 first",
                    in->domain, words_alias(in->aaaa, alias), theirs, words_kind(other, kind),
                    in->options->no_ipv6 ? "switched off" : ours);
    const struct answer *a = in->aaaa;
    const char *name = a->chain_count ? a->chain[a->chain_count - 1] : in->domain;
    if (own->count == 0)
        finding_fix(all, i, "Remove the AAAA record %s of %s at your DNS provider, " AGAIN "%s",
                    theirs, name, in->domain, otherwise);
    else
        finding_fix(all, i,
                    "Remove the AAAA record %s of %s at your DNS provider or set it to %s, " AGAIN
                    "%s",
                    theirs, name, ours, in->domain, otherwise);
}

static void see_aaaa_unanswered(const struct verdict_input *in, struct findings *all)
{
    if (in->aaaa->status == ANSWER_BOGUS) {
        verdict_bogus(in, in->aaaa, all);
        return;
    }
    size_t i = finding_add(
        all, SEVERITY_WARN, verdict_silent(in->aaaa) ? "dns.timeout" : "dns.servfail",
        "the name servers of %s answer for IPv4 (A), but not for IPv6 (AAAA)", in->domain);
    finding_fix(
        all, i,
        "Ask your DNS provider why questions of type AAAA fail; some clients and CAs give up "
        "on such a name");
}

void verdict_addresses(const struct verdict_input *in, const struct dnscheck_result *r,
                       struct findings *all)
{
    struct address_set own4, other4, own6, other6;
    part(&r->a, &in->own->public.ip4, &own4, &other4);
    part(&r->aaaa, &in->own->public.ip6, &own6, &other6);
    const struct address_set none = {0};
    bool stray = in->own->known6 && other6.count > 0;
    bool elsewhere = false;

    /* Without IPv4 it is the AAAA record that matters, and only that is told of. */
    bool told = words_only6(in) && stray && own6.count == 0;
    if (r->a.count == 0) {
        if (!told)
            see_a_missing(in, &own6, all);
    } else if (!in->own->known4 && find_cdn(in->a, &r->a)) {
        see_cdn(in, find_cdn(in->a, &r->a), &r->a, all); /* whatever ours is */
    } else if (!in->own->known4) {
        see_a_unchecked(in, &r->a, all);
    } else if (own4.count == 0) {
        elsewhere = own6.count == 0;
        see_a_mismatch(in, &other4, stray && elsewhere ? &other6 : &none, all);
    } else if (other4.count > 0) {
        see_a_extra(in, &own4, &other4, all);
    }
    if (stray && !elsewhere)
        see_aaaa_stray(in, &other6, own6.count > 0, all);
    if (in->aaaa->status != ANSWER_DATA && in->aaaa->status != ANSWER_NODATA &&
        in->aaaa->status != ANSWER_NXDOMAIN)
        see_aaaa_unanswered(in, all);
}
