/* SPDX-License-Identifier: Apache-2.0 */
/* What the name servers say one by one, and what resolvers still remember. */
#include <stdio.h>
#include <string.h>

#include "base/translate.h"
#include "dnscheck/verdict.h"
#include "dnscheck/words.h"

enum { RCODE_NOERROR = 0, RCODE_NXDOMAIN = 3 };

enum server_state server_state(const struct authority_server *s)
{
    if (!s->answered)
        return SERVER_SILENT;
    bool fine = s->head.rcode == RCODE_NOERROR || s->head.rcode == RCODE_NXDOMAIN;
    return fine && s->head.authoritative ? SERVER_GOOD : SERVER_LAME;
}

/* --- Do they agree? --------------------------------------------------------------------------- */

enum says { SAYS_OURS, SAYS_OTHER, SAYS_UNKNOWN };

static bool all_ours(const struct address_set *set, const struct address_set *ours)
{
    for (size_t i = 0; i < set->count; i++) {
        if (!address_set_has(ours, &set->list[i]))
            return false;
    }
    return true;
}

static enum says judge_server(const struct verdict_input *in, const struct authority_server *s)
{
    const struct dnscheck_own *own = in->own;
    struct address_set a = {0}, aaaa = {0};
    if (server_state(s) != SERVER_GOOD || (s->a.chain_count > 0 && s->a.count == 0))
        return SAYS_UNKNOWN; /* an alias that leads elsewhere is not this server's to follow */
    answer_addresses(&s->a, &a);
    answer_addresses(&s->aaaa, &aaaa);
    if (!own->known4 || (own->public.ip4.count == 0 && a.count == 0))
        return SAYS_UNKNOWN;
    if (a.count == 0 || !all_ours(&a, &own->public.ip4))
        return SAYS_OTHER;
    return own->known6 && !all_ours(&aaaa, &own->public.ip6) ? SAYS_OTHER : SAYS_OURS;
}

static void print_says(const struct authority_server *s, char *text, size_t cap)
{
    struct address_set set = {0};
    answer_addresses(&s->a, &set);
    answer_addresses(&s->aaaa, &set);
    if (s->a.status == ANSWER_NXDOMAIN)
        translate_print(text, cap, "that there is no such name");
    else if (set.count == 0)
        translate_print(text, cap, "that it has no address");
    else
        address_set_print(&set, text, cap);
}

/* "ns1.demo.com (203.0.113.53) says 198.51.100.7, ns2…" of those that say this. */
static size_t print_servers(const struct verdict_input *in, enum says wanted, bool what, char *text,
                            size_t cap)
{
    size_t count = 0;
    text[0] = '\0';
    for (size_t i = 0; i < in->authority->server_count; i++) {
        const struct authority_server *s = &in->authority->servers[i];
        char server[WHO_TEXT], says[SET_TEXT] = "";
        if (judge_server(in, s) != wanted || count++ > 3)
            continue;
        if (what)
            print_says(s, says, sizeof says);
        translate_append(text, cap, "%s%s%s%s", *text ? N_(", ") : "",
                         words_server(in->authority, s, server), what ? " says " : "", says);
    }
    return count;
}

bool verdict_disagreement(const struct verdict_input *in, struct findings *all)
{
    char right[SERVERS_TEXT], wrong[SERVERS_TEXT], wanted[SET_TEXT];
    if (!in->authority)
        return false;
    size_t ours = print_servers(in, SAYS_OURS, false, right, sizeof right);
    size_t others = print_servers(in, SAYS_OTHER, true, wrong, sizeof wrong);
    if (ours == 0 || others == 0)
        return false;
    size_t i =
        finding_add(all, SEVERITY_FAIL, "dns.ns.disagree",
                    "the name servers of %s contradict each other about %s: %s %s to this "
                    "server, but %s; the CA asks any of them, and from several places",
                    in->authority->zone, in->domain, right, ours > 1 ? "point" : "points", wrong);
    finding_fix(all, i,
                "Wait until your DNS provider has brought all its servers up to date (derp-setup "
                "--wait-dns=10m %s waits for that); if it stays so, ask the provider why, or "
                "correct the zone on those that do not say %s, " AGAIN,
                in->domain, words_wanted(in, wanted), in->domain);
    return true;
}

/* --- Are they all of use? ------------------------------------------------------------------------
 */

/* True when all that answer refer to a zone below: it is the servers of that one which the answers
 * came from, and which do not say that it is one (they have no answer to NS). */
static bool all_refer(const struct authority *a)
{
    bool any = false;
    for (size_t i = 0; i < a->server_count; i++) {
        if (a->servers[i].answered && !a->servers[i].referred)
            return false;
        any = any || a->servers[i].referred;
    }
    return any;
}

/* The best of a name's addresses; false: none was asked. */
static bool state_of_name(const struct authority *a, size_t name, enum server_state *state,
                          size_t *which)
{
    bool any = false, refer = all_refer(a);
    for (size_t i = 0; i < a->server_count; i++) {
        enum server_state one = server_state(&a->servers[i]);
        if (refer && one == SERVER_LAME)
            one = SERVER_GOOD;
        if (a->servers[i].name != name || (any && one >= *state))
            continue;
        /* Lame is worse than silent only in what is to be done. */
        *state = one;
        *which = i;
        any = true;
    }
    return any;
}

static void see_silent(const struct verdict_input *in, const struct authority_server *s,
                       struct findings *all)
{
    char server[WHO_TEXT];
    const struct authority *a = in->authority;
    size_t i = finding_add(all, SEVERITY_WARN, "dns.ns.silent",
                           "%s, a name server of %s, does not answer: each lookup that tries it "
                           "loses seconds there, and the CA may give up",
                           words_server(a, s, server), a->zone);
    finding_fix(all, i,
                "Bring it back, or take %s out of the name servers of %s (at your DNS provider and "
                "at the registrar), " AGAIN,
                a->names[s->name].name, a->zone, in->domain);
}

static void see_lame(const struct verdict_input *in, const struct authority_server *s,
                     struct findings *all)
{
    char server[WHO_TEXT], rcode[MESSAGE_RCODE_TEXT];
    const struct authority *a = in->authority;
    const char *what =
        s->head.rcode ? message_rcode(s->head.rcode, rcode) : N_("without authority");
    size_t i = finding_add(all, SEVERITY_WARN, "dns.ns.lame",
                           "%s is a name server of %s, but does not serve it (it answers %s): "
                           "lookups that meet it fail or are slow",
                           words_server(a, s, server), a->zone, what);
    finding_fix(all, i,
                "Have the zone %s set up on that server, or take %s out of the domain's name "
                "servers (at your DNS provider and at the registrar), " AGAIN,
                a->zone, a->names[s->name].name, in->domain);
}

static void see_no_address(const struct verdict_input *in, const struct authority_name *n,
                           struct findings *all)
{
    size_t i = finding_add(all, SEVERITY_WARN, "dns.ns.address",
                           "%s, a name server of %s, has no address that can be found", n->name,
                           in->authority->zone);
    finding_fix(
        all, i,
        "Correct its name among the domain's name servers; when it lies inside %s, give its "
        "address to the registrar as well (a glue record, or \"host\"), " AGAIN,
        in->authority->zone, in->domain);
}

/* The zone above and the zone itself should name the same servers. */
static void see_delegation(const struct verdict_input *in, struct findings *all)
{
    const struct authority *a = in->authority;
    bool any_own = false, same = true;
    const char *odd = NULL;
    bool odd_above = false;
    for (size_t i = 0; i < a->name_count; i++) {
        any_own = any_own || a->names[i].own;
        if (a->names[i].own == a->names[i].above)
            continue;
        if (same)
            odd = a->names[i].name;
        odd_above = odd_above || (same && a->names[i].above);
        same = false;
    }
    if (!a->above_known || !any_own || same || a->cut)
        return;
    size_t i = finding_add(all, SEVERITY_WARN, "dns.ns.delegation",
                           "the zone above %s and the zone itself name different name servers: %s "
                           "stands only %s",
                           a->zone, odd, odd_above ? "above, at the registrar" : "in the zone");
    finding_fix(all, i,
                "Make the NS records of %s and the name servers at the registrar the same, " AGAIN,
                a->zone, in->domain);
}

static bool same_set(const struct answer *a, const struct answer *b)
{
    struct address_set one = {0}, other = {0};
    answer_addresses(a, &one);
    answer_addresses(b, &other);
    return one.count == other.count && all_ours(&one, &other);
}

static bool all_alike(const struct authority *a)
{
    const struct authority_server *first = NULL;
    for (size_t i = 0; i < a->server_count; i++) {
        const struct authority_server *s = &a->servers[i];
        if (server_state(s) != SERVER_GOOD)
            continue;
        if (!first)
            first = s;
        if (s->a.status != first->a.status || !same_set(&s->a, &first->a) ||
            !same_set(&s->aaaa, &first->aaaa))
            return false;
    }
    return true;
}

void verdict_servers(const struct verdict_input *in, struct findings *all)
{
    const struct authority *a = in->authority;
    size_t good = 0, first = all->count;
    bool lame = false, silent = false, nameless = false;
    if (!a || a->server_count == 0)
        return;
    for (size_t i = 0; i < a->name_count; i++) {
        enum server_state state = SERVER_SILENT;
        size_t which;
        if (a->names[i].addresses.count == 0) {
            if (!nameless && !a->names[i].unsure)
                see_no_address(in, &a->names[i], all);
            nameless = nameless || !a->names[i].unsure;
        } else if (!state_of_name(a, i, &state, &which)) {
            continue; /* in a family only that this server has not */
        } else if (state == SERVER_GOOD) {
            good++;
        } else if (state == SERVER_SILENT) {
            if (!silent)
                see_silent(in, &a->servers[which], all);
            silent = true;
        } else {
            if (!lame)
                see_lame(in, &a->servers[which], all);
            lame = true;
        }
    }
    see_delegation(in, all);
    if (all->count == first && !findings_get(all, "dns.ns.disagree"))
        finding_add(all, SEVERITY_OK, "dns.ns.ok",
                    "asked directly, %zu of %zu name servers of %s answer%s%s", good, a->name_count,
                    a->zone,
                    good < 2       ? ""
                    : all_alike(a) ? ", all the same"
                                   : ", not all the same",
                    good < a->name_count ? "; the others could not be asked from here" : "");
}

/* --- Resolvers -----------------------------------------------------------------------------------
 */

static bool is_right(const struct verdict_input *in, const struct answer *a)
{
    struct address_set set = {0}, now = {0};
    answer_addresses(a, &set);
    answer_addresses(in->a, &now);
    return set.count > 0 && all_ours(&set, &now);
}

static void print_old(const struct verdict_resolver *r, char *text, size_t cap)
{
    char rcode[MESSAGE_RCODE_TEXT];
    struct address_set set = {0};
    answer_addresses(&r->a, &set);
    if (set.count > 0)
        address_set_print(&set, text, cap);
    else if (r->a.status == ANSWER_SERVFAIL)
        translate_print(text, cap, "%s", message_rcode(r->rcode, rcode));
    else
        translate_print(text, cap, "no address");
}

void verdict_resolvers(const struct verdict_input *in, const struct verdict_resolver *list,
                       size_t count, struct findings *all)
{
    char who[SERVERS_TEXT] = "";
    size_t answered = 0, old = 0;
    uint32_t ttl = 0;
    for (size_t i = 0; i < count; i++) {
        char ip[ENDPOINT_TEXT], what[SET_TEXT];
        answered += list[i].answered;
        if (!list[i].answered || is_right(in, &list[i].a))
            continue;
        print_old(&list[i], what, sizeof what);
        translate_append(who, sizeof who, "%s%s says %s", old++ ? N_(", ") : "",
                         endpoint_print_ip(&list[i].server, ip), what);
        if (list[i].a.ttl > 0)
            translate_append(who, sizeof who, " for another %u s", list[i].a.ttl);
        ttl = list[i].a.ttl > ttl ? list[i].a.ttl : ttl;
    }
    if (count == 0)
        return;
    if (answered == 0) {
        finding_add(all, SEVERITY_SKIP, "dns.resolver.skip",
                    "none of %zu public resolvers could be asked from here", count);
        return;
    }
    if (old == 0) {
        finding_add(all, SEVERITY_OK, "dns.resolver.ok",
                    "%zu of %zu public resolvers give the same address", answered, count);
        return;
    }
    size_t i = finding_add(all, SEVERITY_WARN, "dns.resolver.old",
                           "clients of some public resolvers do not get %s's address yet: %s",
                           in->domain, who);
    if (ttl > 0)
        finding_fix(all, i,
                    "Nothing to do: the CA does not ask them, and what they remember ends by "
                    "itself in %u s at the latest",
                    ttl);
    else
        finding_fix(all, i,
                    "The CA does not ask them; look again in an hour: derp-setup check %s. If it "
                    "stays so, ask your DNS provider",
                    in->domain);
}
