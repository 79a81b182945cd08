/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/verdict.c"

#include "base/mem.h"
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
    const char *findings; /* "fail dns.a.mismatch, ok dns.caa.ok": all of them, in order */
    struct told a, aaaa, caa[3];
    const char *own4, *own6; /* NULL: the usual ones; "": none; "?": not known */
    const char *account;     /* of this server at the CA; NULL: not known yet */
    bool no_ipv6, root_dead, root_bogus, unvalidated, forward, quiet, nameless;
    bool pending, local; /* the wanted ones */
};

#define FINE "ok dns.ok, ok dns.caa.ok"

/* clang-format off */
static const struct case_ cases[] = {
    /* All well */
    {FINE, .a = DATA(OURS4), .aaaa = NODATA},
    {FINE, .a = DATA(OURS4), .aaaa = NXDOMAIN},
    {FINE, .a = DATA(OURS4), .aaaa = DATA(OURS6)},
    {FINE, .a = DATA("203.0.113.10 203.0.113.11"), .aaaa = NODATA, .own4 = "203.0.113.11 203.0.113.10"},
    {FINE, .a = {ANSWER_DATA, OURS4, "lb.demo.com"}, .aaaa = {ANSWER_NODATA, NULL, "lb.demo.com"}},
    {FINE, .a = DATA(OURS4), .aaaa = NODATA, .no_ipv6 = true},
    /* A */
    {"fail dns.nxdomain", .a = NXDOMAIN, .aaaa = NXDOMAIN, .pending = true},
    {"fail dns.nxdomain", .a = {ANSWER_NXDOMAIN, NULL, "gone.demo.com"}, .aaaa = NXDOMAIN, .pending = true},
    {"fail dns.a.missing, ok dns.caa.ok", .a = NODATA, .aaaa = NODATA, .pending = true},
    {"fail dns.a.missing, ok dns.caa.ok", .a = NODATA, .aaaa = DATA(OURS6), .pending = true},
    {"warn dns.a.missing, ok dns.caa.ok", .a = NODATA, .aaaa = DATA(OURS6), .own4 = ""},
    {"fail dns.a.missing, ok dns.caa.ok", .a = NODATA, .aaaa = NODATA, .own4 = "", .pending = true},
    {"fail dns.a.missing, fail dns.aaaa.stray, ok dns.caa.ok", .a = NODATA, .aaaa = DATA("2001:db8::9"), .pending = true},
    {"fail dns.a.mismatch, ok dns.caa.ok", .a = DATA("198.51.100.7"), .aaaa = NODATA, .pending = true},
    {"fail dns.a.mismatch, ok dns.caa.ok", .a = DATA("198.51.100.7 198.51.100.8"), .aaaa = NODATA, .pending = true},
    {"fail dns.a.mismatch, ok dns.caa.ok", .a = DATA("198.51.100.7"), .aaaa = DATA("2001:db8::9"), .pending = true},
    {"fail dns.a.mismatch, ok dns.caa.ok", .a = DATA("198.51.100.7"), .aaaa = DATA(OURS6), .pending = true},
    {"fail dns.a.mismatch, fail dns.aaaa.stray, ok dns.caa.ok", .a = DATA("198.51.100.7"), .aaaa = DATA(OURS6 " 2001:db8::9"), .pending = true},
    {"fail dns.a.mismatch, ok dns.caa.ok", .a = DATA("100.100.100.100"), .aaaa = NODATA, .pending = true},
    {"fail dns.a.mismatch, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = NODATA, .own4 = "", .pending = true},
    {"fail dns.a.extra, ok dns.caa.ok", .a = DATA(OURS4 " 198.51.100.7"), .aaaa = NODATA, .pending = true},
    {"warn dns.a.unchecked, ok dns.caa.ok", .a = DATA("198.51.100.7"), .aaaa = NODATA, .own4 = "?"},
    /* AAAA */
    {"fail dns.aaaa.stray, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = DATA("2001:db8::9"), .pending = true},
    {"fail dns.aaaa.stray, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = DATA(OURS6 " fd00::1"), .pending = true},
    {"fail dns.aaaa.stray, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = DATA(OURS6), .own6 = "", .pending = true},
    {"fail dns.aaaa.stray, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = DATA(OURS6), .own6 = "", .no_ipv6 = true, .pending = true},
    {FINE, .a = DATA(OURS4), .aaaa = DATA("2001:db8::9"), .own6 = "?"},
    {"fail dns.aaaa.stray, warn dns.ttl, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = {ANSWER_DATA, "2001:db8::9", .ttl = 9999},
     .pending = true},
    {"warn dns.servfail, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = SERVFAIL},
    {"warn dns.timeout, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = NONE},
    {"fail dns.bogus, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = BOGUS, .pending = true},
    /* No usable answer */
    {"fail dns.servfail", .a = SERVFAIL, .aaaa = SERVFAIL, .pending = true},
    {"fail dns.timeout", .a = {ANSWER_SERVFAIL, .late = true}, .aaaa = NONE, .pending = true},
    {"fail dns.timeout", .a = NONE, .aaaa = NONE, .pending = true},
    {"fail dns.timeout", .a = NONE, .aaaa = NONE, .root_dead = true, .pending = true},
    {"fail dns.timeout", .a = NONE, .aaaa = NONE, .quiet = true, .pending = true},
    {"fail dns.unreachable", .a = NONE, .aaaa = NONE, .root_dead = true, .quiet = true, .local = true},
    {"fail dns.unreachable", .a = SERVFAIL, .aaaa = SERVFAIL, .root_dead = true, .quiet = true, .local = true},
    {"fail dns.unreachable", .a = NONE, .aaaa = NONE, .root_dead = true, .quiet = true, .forward = true, .local = true},
    {"fail dns.servfail", .a = SERVFAIL, .aaaa = SERVFAIL, .root_dead = true, .forward = true, .pending = true},
    {"fail dns.bogus", .a = BOGUS, .aaaa = BOGUS, .pending = true},
    {"fail dns.bogus", .a = BOGUS, .aaaa = BOGUS, .root_bogus = true, .local = true},
    {"fail dns.bogus", .a = SERVFAIL, .aaaa = SERVFAIL, .root_bogus = true, .local = true},
    /* TTL */
    {FINE, .a = {ANSWER_DATA, OURS4, .ttl = 600}, .aaaa = NODATA},
    {"ok dns.ok, warn dns.ttl, ok dns.caa.ok", .a = {ANSWER_DATA, OURS4, .ttl = 601}, .aaaa = NODATA},
    {"ok dns.ok, warn dns.ttl, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = {ANSWER_DATA, OURS6, .ttl = 86400}},
    /* No validation */
    {FINE ", warn dns.dnssec.off", .a = DATA(OURS4), .aaaa = NODATA, .unvalidated = true},
    {FINE ", warn dns.dnssec.off", .a = DATA(OURS4), .aaaa = NODATA, .unvalidated = true, .forward = true},
    {"fail dns.unreachable", .a = NONE, .aaaa = NONE, .root_dead = true, .quiet = true, .unvalidated = true, .local = true},
    /* CAA: the domain's, then its parent's, then the top-level domain's */
    {"ok dns.ok, fail dns.caa.forbidden", .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("digicert.com")}, .pending = true},
    {"ok dns.ok, fail dns.caa.forbidden", .a = DATA(OURS4), .aaaa = NODATA, .caa = {NODATA, DATA("digicert.com")}, .pending = true},
    {"ok dns.ok, fail dns.caa.forbidden", .a = DATA(OURS4), .aaaa = NODATA, .caa = {NODATA, NXDOMAIN, DATA(";")}, .pending = true},
    {FINE, .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("letsencrypt.org"), DATA("digicert.com")}},
    {FINE, .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("letsencrypt.org"), SERVFAIL}},
    {"ok dns.ok, fail dns.caa.servfail", .a = DATA(OURS4), .aaaa = NODATA, .caa = {SERVFAIL}, .pending = true},
    {"ok dns.ok, fail dns.caa.servfail", .a = DATA(OURS4), .aaaa = NODATA, .caa = {NODATA, {ANSWER_NONE, .late = true}}, .pending = true},
    {"ok dns.ok, fail dns.caa.servfail", .a = DATA(OURS4), .aaaa = NODATA, .caa = {SERVFAIL, DATA("letsencrypt.org")}, .pending = true},
    {"ok dns.ok, warn dns.caa.servfail", .a = DATA(OURS4), .aaaa = NODATA, .caa = {NODATA, NODATA, SERVFAIL}, .forward = true},
    {"ok dns.ok, fail dns.caa.servfail", .a = DATA(OURS4), .aaaa = NODATA, .caa = {SERVFAIL}, .forward = true, .pending = true},
    {"ok dns.ok, fail dns.bogus", .a = DATA(OURS4), .aaaa = NODATA, .caa = {BOGUS}, .pending = true},
    {"ok dns.ok, skip dns.caa.unchecked", .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("digicert.com")}, .nameless = true},
    {"ok dns.ok, fail dns.caa.forbidden", .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA(";")}, .nameless = true, .pending = true},
    {FINE, .a = DATA(OURS4), .aaaa = NODATA, .nameless = true},
    {"ok dns.ok, warn dns.caa.unchecked", .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("letsencrypt.org;accounturi=https://x/1")}},
    {FINE, .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("letsencrypt.org;accounturi=https://x/1")}, .account = "https://x/1"},
    {"ok dns.ok, fail dns.caa.forbidden", .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("letsencrypt.org;accounturi=https://x/1")},
     .account = "https://x/2", .pending = true},
    {FINE, .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("letsencrypt.org;validationmethods=tls-alpn-01,dns-01")}},
    {"ok dns.ok, fail dns.caa.forbidden", .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("letsencrypt.org;validationmethods=dns-01")},
     .pending = true},
    {"ok dns.ok, fail dns.caa.forbidden", .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("!future")}, .pending = true},
    /* Two faults are two findings */
    {"fail dns.a.mismatch, fail dns.caa.forbidden", .a = DATA("198.51.100.7"), .aaaa = NODATA, .caa = {DATA("digicert.com")},
     .pending = true},
};
/* clang-format on */

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

/* Everything a case needs, built. */
struct built {
    struct dnscheck_options options;
    struct dnscheck_own own;
    struct answer root, a, aaaa, caa[3];
    const struct answer *caa_list[3];
    struct trace trace;
    struct dnscheck_result result;
    struct findings all;
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
    const struct verdict_input in = {
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
    };
    verdict_domain(&in, &b->result, &b->all);
}

static void drop(struct built *b)
{
    answer_clear(&b->a);
    answer_clear(&b->aaaa);
    for (int i = 0; i < 3; i++)
        answer_clear(&b->caa[i]);
    findings_free(&b->all);
}

static void list(const struct findings *all, char *text, size_t cap)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < all->count; i++)
        used += (size_t)snprintf(text + used, cap - used, "%s%s %s", i ? ", " : "",
                                 severity_name(all->list[i].severity), all->list[i].id);
}

static void judges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct built b;
        char found[512];
        judge_case(&cases[i], &b);
        list(&b.all, found, sizeof found);
        if (strcmp(found, cases[i].findings) != 0)
            fail_msg("case %zu: %s; wanted %s", i, found, cases[i].findings);
        bool failed = findings_worst(&b.all) == SEVERITY_FAIL;
        if (b.result.ready == failed || b.result.pending != cases[i].pending ||
            b.result.local != cases[i].local)
            fail_msg("case %zu (%s): ready %d pending %d local %d", i, found, b.result.ready,
                     b.result.pending, b.result.local);
        /* Who is told of a fault is told what to do. */
        for (size_t k = 0; k < b.all.count; k++) {
            if (b.all.list[k].severity == SEVERITY_FAIL)
                assert_non_null(b.all.list[k].fix);
        }
        drop(&b);
    }
}

static void says(const struct case_ *c, const char *id, const char *message, const char *fix)
{
    struct built b;
    judge_case(c, &b);
    const struct finding *f = findings_get(&b.all, id);
    assert_non_null(f);
    if (!strstr(f->message, message))
        fail_msg("%s: \"%s\" lacks \"%s\"", id, f->message, message);
    if (fix && !strstr(f->fix, fix))
        fail_msg("%s: \"%s\" lacks \"%s\"", id, f->fix, fix);
    drop(&b);
}

static void words(void **state)
{
    (void)state;
    says(&(struct case_){.a = DATA("198.51.100.7"), .aaaa = NODATA}, "dns.a.mismatch",
         "found 198.51.100.7, expected 203.0.113.10 (TTL 600 s)",
         "Set the A record of derp.demo.com to 203.0.113.10 with TTL 600 at your DNS provider, "
         "then run: derp-setup check derp.demo.com");
    says(&(struct case_){.a = DATA("100.100.100.100"), .aaaa = NODATA}, "dns.a.mismatch",
         "a carrier-NAT address (100.64.0.0/10)", NULL);
    says(&(struct case_){.a = DATA("198.51.100.7"), .aaaa = DATA("2001:db8::9")}, "dns.a.mismatch",
         "198.51.100.7 and 2001:db8::9", "remove the AAAA record 2001:db8::9");
    says(&(struct case_){.a = DATA(OURS4), .aaaa = DATA("2001:db8::9")}, "dns.aaaa.stray",
         "2001:db8::9", "or set it to 2001:db8::10");
    says(&(struct case_){.a = DATA(OURS4), .aaaa = DATA("2001:db8::9"), .own6 = ""},
         "dns.aaaa.stray", "(its IPv6: none)",
         "Remove the AAAA record 2001:db8::9 of derp.demo.com");
    says(&(struct case_){.a = {ANSWER_DATA, "198.51.100.7", "cdn.example.net"}, .aaaa = NODATA},
         "dns.a.mismatch", "derp.demo.com (an alias of cdn.example.net)",
         "Replace the CNAME record of derp.demo.com by the A record 203.0.113.10");
    says(&(struct case_){.a = {ANSWER_NXDOMAIN, NULL, "gone.example.net"}, .aaaa = NXDOMAIN},
         "dns.nxdomain", "an alias of gone.example.net, which does not exist", NULL);
    says(&(struct case_){.a = SERVFAIL, .aaaa = SERVFAIL}, "dns.servfail",
         "the last to answer was ::53, a name server of demo.com", NULL);
    says(&(struct case_){.a = BOGUS, .aaaa = BOGUS}, "dns.bogus", "signature expired", "DS record");
    says(&(struct case_){.a = NONE, .aaaa = NONE, .root_dead = true, .quiet = true},
         "dns.unreachable", "not even one of the root", "--dns-resolver=ADDRESS");
    says(&(struct case_){.a = DATA("198.51.100.7"), .aaaa = NODATA, .own4 = "?"}, "dns.a.unchecked",
         "198.51.100.7", "derp-setup --ip4=198.51.100.7 derp.demo.com");
    says(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA, .caa = {NODATA, DATA("digicert.com")}},
         "dns.caa.forbidden", "the CAA record of demo.com allows only \"digicert.com\"",
         "demo.com. CAA 0 issue \"letsencrypt.org\"");
    says(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA(";")}}, "dns.caa.forbidden",
         "allows only nobody", NULL);
    says(&(struct case_){.a = DATA(OURS4),
                         .aaaa = NODATA,
                         .caa = {DATA("letsencrypt.org;validationmethods=dns-01")}},
         "dns.caa.forbidden", "the challenge tls-alpn-01 is not among its validationmethods",
         "CAA 0 issue \"letsencrypt.org; validationmethods=tls-alpn-01\"");
    says(&(struct case_){.a = DATA(OURS4),
                         .aaaa = NODATA,
                         .caa = {DATA("letsencrypt.org;accounturi=https://x/1")},
                         .account = "https://x/2"},
         "dns.caa.forbidden", "which is not this server's account https://x/2",
         "CAA 0 issue \"letsencrypt.org; accounturi=https://x/2\"");
    says(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("!future")}},
         "dns.caa.forbidden", "marked critical", "set its flags to 0");
    says(&(struct case_){.a = {ANSWER_DATA, OURS4, .ttl = 3600}, .aaaa = NODATA}, "dns.ttl",
         "3600 s", "600");
}

static void undelegated(void **state)
{
    (void)state;
    struct built b;
    judge_case(&(struct case_){.a = NXDOMAIN, .aaaa = NXDOMAIN}, &b);
    snprintf(b.trace.zone, sizeof b.trace.zone, "com");
    const struct verdict_input in = {.options = &b.options,
                                     .domain = "derp.demo.com",
                                     .own = &b.own,
                                     .root = &b.root,
                                     .a = &b.a,
                                     .aaaa = &b.aaaa,
                                     .trace = &b.trace};
    findings_free(&b.all);
    verdict_domain(&in, &b.result, &b.all);
    assert_non_null(strstr(b.all.list[0].message, "not registered"));
    drop(&b);
}

static void results(void **state)
{
    (void)state;
    struct built b;
    judge_case(&(struct case_){.a = {ANSWER_DATA, OURS4, "lb.demo.com", .ttl = 300},
                               .aaaa = {ANSWER_DATA, OURS6, .ttl = 200}},
               &b);
    assert_int_equal(b.result.ttl, 300);
    assert_int_equal(b.result.a.count, 1);
    assert_int_equal(b.result.aaaa.count, 1);
    assert_int_equal(b.result.chain_count, 1);
    assert_string_equal(b.result.chain[0], "lb.demo.com");
    drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges),
        cmocka_unit_test(words),
        cmocka_unit_test(undelegated),
        cmocka_unit_test(results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
