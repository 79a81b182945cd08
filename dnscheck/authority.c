/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/authority.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "dnscheck/query.h"

#define ABOVE_NAMES     3    /* servers of the zone above that are asked, at most */
#define ABOVE_ADDRESSES 3    /* addresses of theirs, at most */
#define QUERY_MS        2500 /* for servers to answer when asked directly */

/* What the steps hand on. The questions live as long as the resolver might fill them in. */
struct search {
    struct resolver *resolver;
    const char *domain;
    bool ip6;
    bool (*has_route)(const struct endpoint *e); /* query_has_route */
    int64_t end_ms;
    const volatile int *stop;
    struct authority *out;
};

static int left(const struct search *s, int most)
{
    int64_t ms = s->end_ms - clock_mono_ms();
    return ms <= 0 ? 0 : ms < most ? (int)ms : most;
}

static struct authority_name *name_of(struct authority *out, const char *name)
{
    for (size_t i = 0; i < out->name_count; i++)
        if (strcmp(out->names[i].name, name) == 0)
            return &out->names[i];
    if (out->name_count == AUTHORITY_NAMES_MAX)
        return NULL;
    struct authority_name *n = &out->names[out->name_count++];
    snprintf(n->name, sizeof n->name, "%s", name);
    return n;
}

/* Whoever cannot be asked from here is not silent. A private IPv4 address, as of a container's
 * bridge, does not mean that there is a way for IPv4: only the routes tell. */
static bool is_usable(const struct search *s, const struct endpoint *e)
{
    return (e->any.sa_family != AF_INET6 || s->ip6) && s->has_route(e);
}

static const struct endpoint *first_usable(const struct search *s, const struct address_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (is_usable(s, &set->list[i]))
            return &set->list[i];
    return NULL;
}

/* Addresses of count names into sets, of both families: a name with IPv6 only has an address,
 * though it may not be asked from here. unsure: some answer did not come in time. false: *stop. */
static bool find_addresses(const struct search *s, char (*names)[DNSCHECK_NAME_MAX], size_t count,
                           struct address_set *sets, bool *unsure)
{
    struct resolve_question *list = mem_alloc(2 * count + 1, sizeof *list);
    for (size_t i = 0; i < 2 * count; i++) {
        snprintf(list[i].name, sizeof list[i].name, "%s", names[i / 2]);
        list[i].type = i % 2 ? DNS_TYPE_AAAA : DNS_TYPE_A;
    }
    resolver_ask(s->resolver, list, 2 * count);
    bool going = resolver_wait(s->resolver, left(s, QUERY_MS));
    for (size_t i = 0; i < 2 * count; i++) {
        answer_addresses(&list[i].answer, &sets[i / 2]);
        unsure[i / 2] = unsure[i / 2] || list[i].answer.status == ANSWER_NONE;
    }
    resolver_keep(s->resolver, list, 2 * count);
    return going;
}

/* --- The zone above ------------------------------------------------------------------------- */

static size_t take_names(const struct answer *ns, size_t most, char (*names)[DNSCHECK_NAME_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < ns->count && count < most; i++)
        snprintf(names[count++], DNSCHECK_NAME_MAX, "%s", (const char *)ns->records[i].data);
    return count;
}

static void take_referral(const struct referral *r, struct authority *out)
{
    snprintf(out->zone, sizeof out->zone, "%s", r->zone);
    out->above_known = true;
    out->cut = r->cut;
    for (size_t i = 0; i < r->count; i++) {
        struct authority_name *n = name_of(out, r->names[i]);
        if (n)
            n->above = true;
    }
    for (size_t i = 0; i < r->glue_count; i++) {
        struct authority_name *n = name_of(out, r->names[r->glue[i].name]);
        if (n)
            address_set_add(&n->addresses, &r->glue[i].at);
    }
}

/* Is name inside zone and below above? */
static bool is_between(const char *name, const char *zone)
{
    size_t n = strlen(name), z = strlen(zone);
    return n >= z && strcmp(name + n - z, zone) == 0 && (n == z || name[n - z - 1] == '.');
}

/* Asks servers of the zone above (their names in ns) about the domain: they refer to its zone. */
static bool ask_above(const struct search *s, const struct answer *ns)
{
    char names[ABOVE_NAMES][DNSCHECK_NAME_MAX];
    struct address_set sets[ABOVE_NAMES] = {0};
    struct query list[ABOVE_ADDRESSES] = {0};
    bool unsure[ABOVE_NAMES] = {false};
    size_t count = take_names(ns, ABOVE_NAMES, names), n = 0;

    if (!find_addresses(s, names, count, sets, unsure))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct endpoint *at = first_usable(s, &sets[i]);
        if (!at || n == ABOVE_ADDRESSES)
            continue;
        list[n] = (struct query){.server = *at, .type = DNS_TYPE_A, .want_referral = true};
        snprintf(list[n++].name, DNSCHECK_NAME_MAX, "%s", s->domain);
    }
    bool going = query_all(list, n, left(s, QUERY_MS), s->stop);
    for (size_t i = 0; i < n; i++) {
        /* The first that refers to a zone on the way; the others are copies of it. */
        if (!s->out->above_known && list[i].referred &&
            is_between(s->domain, list[i].referral.zone) && list[i].referral.zone[0])
            take_referral(&list[i].referral, s->out);
        answer_clear(&list[i].answer);
    }
    return going;
}

/* --- The servers ------------------------------------------------------------------------------ */

/* Addresses of those names that came without one. */
static bool complete_addresses(const struct search *s)
{
    char names[AUTHORITY_NAMES_MAX][DNSCHECK_NAME_MAX];
    struct address_set sets[AUTHORITY_NAMES_MAX] = {0};
    size_t which[AUTHORITY_NAMES_MAX], count = 0;
    bool unsure[AUTHORITY_NAMES_MAX] = {false};
    for (size_t i = 0; i < s->out->name_count; i++) {
        if (s->out->names[i].addresses.count > 0)
            continue;
        which[count] = i;
        memcpy(names[count++], s->out->names[i].name, DNSCHECK_NAME_MAX);
    }
    if (count == 0)
        return true;
    bool going = find_addresses(s, names, count, sets, unsure);
    for (size_t i = 0; i < count; i++) {
        s->out->names[which[i]].addresses = sets[i];
        s->out->names[which[i]].unsure = unsure[i];
    }
    return going;
}

/* The first address of each name, then the second, …: every name is asked before any is twice. */
static void list_servers(const struct search *s)
{
    struct authority *out = s->out;
    for (size_t round = 0; round < ADDRESS_SET_MAX; round++) {
        for (size_t i = 0; i < out->name_count; i++) {
            const struct address_set *set = &out->names[i].addresses;
            if (round >= set->count || out->server_count == AUTHORITY_SERVERS_MAX)
                continue;
            if (!is_usable(s, &set->list[round]))
                continue;
            out->servers[out->server_count++] =
                (struct authority_server){.name = i, .at = set->list[round]};
        }
    }
}

/* Does the answer lead on to a zone that lies between this one and the domain? */
static bool refers_below(const struct query *q, const char *domain, const char *zone)
{
    const char *to = q->referral.zone;
    return q->referred && strlen(to) > strlen(zone) && is_between(domain, to) &&
           is_between(to, zone);
}

static bool ask_servers(const struct search *s)
{
    struct authority *out = s->out;
    struct query *list = mem_alloc(2 * out->server_count + 1, sizeof *list);
    for (size_t i = 0; i < 2 * out->server_count; i++) {
        list[i] = (struct query){.server = out->servers[i / 2].at,
                                 .type = i % 2 ? DNS_TYPE_AAAA : DNS_TYPE_A,
                                 .want_referral = true};
        snprintf(list[i].name, sizeof list[i].name, "%s", s->domain);
    }
    bool going = query_all(list, 2 * out->server_count, left(s, QUERY_MS), s->stop);
    for (size_t i = 0; i < out->server_count; i++) {
        struct authority_server *one = &out->servers[i];
        one->answered = list[2 * i].answered;
        one->head = list[2 * i].head;
        one->referred = refers_below(&list[2 * i], s->domain, out->zone);
        one->a = list[2 * i].answer;
        one->aaaa = list[2 * i + 1].answer;
    }
    free(list);
    return going;
}

/* --- All of it -------------------------------------------------------------------------------- */

static bool is_zone(const struct resolve_question *q)
{
    return q->answer.status == ANSWER_DATA && q->answer.chain_count == 0;
}

/* All of them are looked at: the zone above may have named others first. */
static void take_own(const struct resolve_question *q, struct authority *out)
{
    const struct answer *ns = &q->answer;
    snprintf(out->zone, sizeof out->zone, "%s", q->name);
    for (size_t i = 0; i < ns->count; i++) {
        struct authority_name *n = name_of(out, (const char *)ns->records[i].data);
        if (n)
            n->own = true;
        else
            out->cut = true;
    }
}

bool authority_ask(struct resolver *r, const char *domain, const struct resolve_question *ns,
                   size_t ns_count, bool answered, bool ip6, int timeout_ms,
                   const volatile int *stop, struct authority *out)
{
    struct search s = {r, domain, ip6, query_has_route, clock_mono_ms() + timeout_ms, stop, out};
    size_t zone = 0;

    *out = (struct authority){0};
    while (zone < ns_count && !is_zone(&ns[zone]))
        zone++;
    size_t above = zone + 1;
    while (above < ns_count && !is_zone(&ns[above]))
        above++;
    /* Not the domain's own zone: that lies below, and its servers are referred to. */
    if (zone < ns_count && (!answered || !strchr(ns[zone].name, '.')))
        above = zone;
    if (above < ns_count && !ask_above(&s, &ns[above].answer))
        return false;
    /* The servers of the top-level domain say that a domain does not exist; they are not its own.
     */
    bool has_own = zone < ns_count && (answered || !out->above_known) && strchr(ns[zone].name, '.');
    if (has_own) {
        if (strcmp(out->zone, ns[zone].name) != 0)
            *out = (struct authority){0}; /* a referral to a zone in between: both on one server */
        take_own(&ns[zone], out);
    }
    if (!complete_addresses(&s))
        return false;
    list_servers(&s);
    return ask_servers(&s);
}

void authority_clear(struct authority *authority)
{
    for (size_t i = 0; i < authority->server_count; i++) {
        answer_clear(&authority->servers[i].a);
        answer_clear(&authority->servers[i].aaaa);
    }
    *authority = (struct authority){0};
}
