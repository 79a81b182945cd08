/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded answers as a table writes them, and what verdict_domain makes of them. */
#ifndef TESTS_UNIT_DNSCHECK_CASE_H
#define TESTS_UNIT_DNSCHECK_CASE_H

#include "base/mem.h"
#include "dnscheck/verdict.h"
#include "tests/unit/unit.h"

/* One answer as a table writes it. */
struct told {
    enum answer_status status;
    const char *data;  /* addresses, or one CAA issue value, or "!" and a property nobody knows */
    const char *alias; /* end of a CNAME */
    uint32_t ttl;      /* 0: 600 */
    bool late;
};

#define OURS4 "203.0.113.10"
#define OURS6 "2001:db8::10"
#define DATA(text)                                                                                 \
    {                                                                                              \
        .status = ANSWER_DATA, .data = text                                                        \
    }
#define NODATA                                                                                     \
    {                                                                                              \
        .status = ANSWER_NODATA                                                                    \
    }
#define NXDOMAIN                                                                                   \
    {                                                                                              \
        .status = ANSWER_NXDOMAIN                                                                  \
    }
#define SERVFAIL                                                                                   \
    {                                                                                              \
        .status = ANSWER_SERVFAIL                                                                  \
    }
#define BOGUS                                                                                      \
    {                                                                                              \
        .status = ANSWER_BOGUS                                                                     \
    }
#define NONE                                                                                       \
    {                                                                                              \
        .status = ANSWER_NONE                                                                      \
    }

struct case_ {
    const char *name;
    const char *findings; /* "fail dns.a.mismatch, ok dns.caa.ok": all of them, in order */
    struct told a, aaaa, caa[3];
    const char *own4, *own6; /* NULL: the usual ones; "": none; "?": not known */
    const char *account;     /* of this server at the CA; NULL: not known yet */
    bool no_ipv6, root_dead, root_bogus, unvalidated, forward, quiet, nameless;
    bool pending, local; /* the wanted ones */
    /* What each name server says: addresses joined by "+", "none", "nx", "cname:NAME,NAME",
     * "silent", "refused", "servfail", "referral"; "nowhere" has no address, "six"
     * one that is not asked, "unsure" perhaps one, "…&…" two. NULL: not
     * asked. */
    const char *ns[5];
    const char *above;   /* digits: which of them the zone above names; NULL: all; "": not known */
    bool ns_cut;         /* there are more of them */
    const char *ns_name; /* of the first; NULL: ns1.demo.com */
    const char *wild;    /* what a made-up name has; NULL: nothing */
    const char *wild_alias; /* through this alias */
};

#define NS_FINE ", ok dns.ns.ok"

static struct endpoint ip(const char *text)
{
    struct endpoint e;
    if (!endpoint_parse_ip(text, &e))
        fail_msg("not an address: %s", text);
    return e;
}

static void add_record(struct answer *a, const void *p, size_t n)
{
    a->records = mem_resize(a->records, a->count + 1, sizeof *a->records);
    a->records[a->count++] = (struct answer_record){.len = (uint16_t)n, .data = mem_copy(p, n)};
}

static void add_issue(struct answer *a, const char *value)
{
    char rdata[256];
    int n = value[0] == '!' ? snprintf(rdata, sizeof rdata, "%c%c%syes", 0x80,
                                       (int)strlen(value + 1), value + 1)
                            : snprintf(rdata, sizeof rdata, "%c%cissue%s", 0, 5, value);
    add_record(a, rdata, (size_t)n);
}

static struct answer build(const struct told *t, bool caa)
{
    struct answer a = {.status = t->status, .ttl = t->ttl ? t->ttl : 600, .late = t->late};
    char copy[256], *rest = copy, *one;
    if (t->alias)
        snprintf(a.chain[a.chain_count++], DNSCHECK_NAME_MAX, "%s", t->alias);
    if (t->status == ANSWER_BOGUS)
        snprintf(a.why, sizeof a.why, "signature expired");
    snprintf(copy, sizeof copy, "%s", t->data ? t->data : "");
    if (caa && t->data) {
        add_issue(&a, t->data);
        return a;
    }
    while ((one = strsep(&rest, " ")) && *one) {
        struct endpoint e = ip(one);
        if (e.any.sa_family == AF_INET)
            add_record(&a, &e.in4.sin_addr, 4);
        else
            add_record(&a, &e.in6.sin6_addr, 16);
    }
    return a;
}

static void fill(struct address_set *set, bool *known, const char *text, const char *usual)
{
    char copy[256], *rest = copy, *one;
    *known = !text || strcmp(text, "?") != 0;
    if (!*known)
        return;
    snprintf(copy, sizeof copy, "%s", text ? text : usual);
    while ((one = strsep(&rest, " ")) && *one) {
        struct endpoint e = ip(one);
        address_set_add(set, &e);
    }
}

static const char *const le[] = {"letsencrypt.org"};

/* One address of the name server that was added last, as a table writes it. */
static void build_address(const char *says, struct authority *a)
{
    struct authority_name *name = &a->names[a->name_count - 1];
    struct authority_server *s = &a->servers[a->server_count];
    char text[256], *rest = text, *one;
    snprintf(text, sizeof text, "203.0.113.%zu", 50 + a->name_count + 10 * name->addresses.count);
    *s = (struct authority_server){.name = a->name_count - 1,
                                   .at = ip(text),
                                   .answered = strcmp(says, "silent") != 0,
                                   .head = {.authoritative = true}};
    address_set_add(&name->addresses, &s->at);
    a->server_count++;
    s->a.status = s->aaaa.status = ANSWER_NODATA;
    if (strcmp(says, "refused") == 0)
        s->head.rcode = 5;
    else if (strcmp(says, "servfail") == 0)
        s->head.rcode = 2;
    else if (strcmp(says, "nx") == 0)
        s->head.rcode = 3, s->a.status = ANSWER_NXDOMAIN;
    else if (strcmp(says, "referral") == 0)
        s->head.authoritative = false, s->referred = true;
    else if (strncmp(says, "cname:", 6) == 0) {
        snprintf(text, sizeof text, "%s", says + 6);
        while ((one = strsep(&rest, ",")))
            snprintf(s->a.chain[s->a.chain_count++], DNSCHECK_NAME_MAX, "%s", one);
    } else if (strcmp(says, "none") != 0 && s->answered) {
        snprintf(text, sizeof text, "%s", says);
        while ((one = strsep(&rest, "+")))
            *(strchr(one, ':') ? &s->aaaa : &s->a) =
                build(&(struct told){.status = ANSWER_DATA, .data = one}, false);
    }
}

static void build_server(const char *says, struct authority *a)
{
    char text[256], *rest = text, *one;
    struct authority_name *name = &a->names[a->name_count];
    snprintf(name->name, sizeof name->name, "ns%zu.demo.com", ++a->name_count);
    name->own = name->above = true;
    snprintf(text, sizeof text, "%s", says);
    name->unsure = strcmp(says, "unsure") == 0;
    if (name->unsure)
        return;
    if (strcmp(says, "six") == 0) {
        struct endpoint e = ip("2001:db8::53");
        address_set_add(&name->addresses, &e);
        return;
    }
    while (strcmp(says, "nowhere") != 0 && (one = strsep(&rest, "&")))
        build_address(one, a);
}

static void build_authority(const struct case_ *c, struct authority *a)
{
    snprintf(a->zone, sizeof a->zone, "demo.com");
    a->above_known = !c->above || *c->above;
    a->cut = c->ns_cut;
    for (size_t i = 0; i < 5 && c->ns[i]; i++)
        build_server(c->ns[i], a);
    for (size_t i = 0; c->above && i < a->name_count; i++)
        a->names[i].above = strchr(c->above, '1' + (int)i) != NULL;
    if (c->ns_name)
        snprintf(a->names[0].name, sizeof a->names[0].name, "%s", c->ns_name);
}

/* Everything a case needs, built. */
struct built {
    struct dnscheck_options options;
    struct dnscheck_own own;
    struct answer root, a, aaaa, caa[3], wild;
    struct authority authority;
    const struct answer *caa_list[3];
    struct trace trace;
    struct dnscheck_result result;
    struct findings all;
    struct verdict_input in;
};

static void judge_case(const struct case_ *c, struct built *b)
{
    *b = (struct built){
        .options = {.domain = "derp.demo.com",
                    .no_ipv6 = c->no_ipv6,
                    .ca_names = le,
                    .ca_count = c->nameless ? 0 : 1,
                    .challenge = "tls-alpn-01",
                    .account_uri = c->account},
        .root = {.status = c->root_dead    ? ANSWER_NONE
                           : c->root_bogus ? ANSWER_BOGUS
                                           : ANSWER_DATA},
        .trace = {.replies = c->quiet ? 0 : 3, .zone = "demo.com", .server = "::53"}};
    if (c->forward)
        b->options.resolver = ip("203.0.113.53");
    fill(&b->own.public.ip4, &b->own.known4, c->own4, OURS4);
    fill(&b->own.public.ip6, &b->own.known6, c->own6, OURS6);
    b->a = build(&c->a, false);
    b->aaaa = build(&c->aaaa, false);
    for (int i = 0; i < 3; i++) {
        struct told told = c->caa[i];
        if (told.status == ANSWER_NONE && !told.late)
            told.status = ANSWER_NODATA; /* left out of the table */
        b->caa[i] = build(&told, true);
        b->caa_list[i] = &b->caa[i];
    }
    if (c->ns[0])
        build_authority(c, &b->authority);
    if (c->wild)
        b->wild = build(
            &(struct told){.status = ANSWER_DATA, .data = c->wild, .alias = c->wild_alias}, false);
    else
        b->wild.status = ANSWER_NXDOMAIN;
    b->in = (struct verdict_input){
        .options = &b->options,
        .domain = "derp.demo.com",
        .own = &b->own,
        .root = &b->root,
        .a = &b->a,
        .aaaa = &b->aaaa,
        .caa = b->caa_list,
        .caa_count = 3,
        .validated = !c->unvalidated,
        .trace = &b->trace,
        .authority = c->ns[0] ? &b->authority : NULL,
        .wildcard = &b->wild,
    };
    verdict_domain(&b->in, &b->result, &b->all);
}

static void drop(struct built *b)
{
    answer_clear(&b->a);
    answer_clear(&b->aaaa);
    answer_clear(&b->wild);
    authority_clear(&b->authority);
    for (int i = 0; i < 3; i++)
        answer_clear(&b->caa[i]);
    findings_free(&b->all);
}

static void list_of(const struct findings *all, char *text, size_t cap)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < all->count; i++)
        used += (size_t)snprintf(text + used, cap - used, "%s%s %s", i ? ", " : "",
                                 severity_name(all->list[i].severity), all->list[i].id);
}

#endif
