/* SPDX-License-Identifier: Apache-2.0 */
/* The findings' sentences: what was seen, why it matters, and what to do. */
#include "dnscheck/words.c"

#include "tests/unit/dnscheck_case.h"

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
    says(&(struct case_){.a = NXDOMAIN, .aaaa = NXDOMAIN}, "dns.nxdomain",
         "remember that for up to 600 s", NULL);
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
    says(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("LetsEncrypt.org")}},
         "dns.caa.case", "the CAA record of derp.demo.com names \"LetsEncrypt.org\"",
         "in lower case: 'derp.demo.com. CAA 0 issue \"letsencrypt.org\"'");
    says(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("!future")}},
         "dns.caa.forbidden", "marked critical", "set its flags to 0");
    says(&(struct case_){.a = {ANSWER_DATA, OURS4, .ttl = 3600}, .aaaa = NODATA}, "dns.ttl",
         "3600 s", "600");
}

/* A server without IPv4 is told of its AAAA record. */
static void words_of_six(void **state)
{
    (void)state;
    says(&(struct case_){.a = NXDOMAIN, .aaaa = NXDOMAIN, .own4 = ""}, "dns.nxdomain",
         "expected an AAAA record with 2001:db8::10",
         "Set the AAAA record of derp.demo.com to 2001:db8::10 with TTL 600");
    says(&(struct case_){.a = NXDOMAIN, .aaaa = NXDOMAIN, .own4 = "", .own6 = ""}, "dns.nxdomain",
         "expected an A record with this server's public IPv4 address", "Set the A record of");
    says(&(struct case_){.a = {ANSWER_NXDOMAIN, NULL, "gone.example.net"},
                         .aaaa = NXDOMAIN,
                         .own4 = ""},
         "dns.nxdomain", "expected the address 2001:db8::10",
         "Replace the CNAME record of derp.demo.com by the AAAA record 2001:db8::10");
    says(&(struct case_){.a = NODATA, .aaaa = NODATA, .own4 = ""}, "dns.a.missing",
         "exists, but has no AAAA record (IPv6 address); expected 2001:db8::10",
         "Set the AAAA record of derp.demo.com to 2001:db8::10");
    says(&(struct case_){.a = DATA("198.51.100.7"), .aaaa = DATA(OURS6), .own4 = ""},
         "dns.a.mismatch", "found 198.51.100.7, expected 2001:db8::10",
         "Remove the A record 198.51.100.7 of derp.demo.com at your DNS provider and let its AAAA "
         "record be 2001:db8::10 with TTL 600, then run: derp-setup check derp.demo.com");
    says(&(struct case_){.a = DATA("198.51.100.7"), .aaaa = DATA("2001:db8::9"), .own4 = ""},
         "dns.a.mismatch", "found 198.51.100.7 and 2001:db8::9, expected 2001:db8::10",
         "Remove the A record 198.51.100.7 of derp.demo.com");
    says(&(struct case_){.a = {ANSWER_DATA, "198.51.100.7", "end.example.net"},
                         .aaaa = NODATA,
                         .own4 = ""},
         "dns.a.mismatch", "expected 2001:db8::10",
         "Replace the CNAME record of derp.demo.com by the AAAA record 2001:db8::10");
    says(
        &(struct case_){
            .a = DATA("198.51.100.7"), .aaaa = NODATA, .own4 = "", .wild = "198.51.100.7"},
        "dns.a.mismatch", "expected 2001:db8::10",
        "Add an AAAA record for derp.demo.com with 2001:db8::10");
    says(&(struct case_){.a = DATA("104.21.5.6"), .aaaa = NODATA, .own4 = ""}, "dns.cdn",
         "(expected 2001:db8::10)", "make it the AAAA record 2001:db8::10");
    says(
        &(struct case_){.a = SERVFAIL, .aaaa = SERVFAIL, .own4 = "", .ns = {"cname:derp.demo.com"}},
        "dns.cname.loop", "in a circle", "by the AAAA record 2001:db8::10");
    says(&(struct case_){.a = DATA("198.51.100.7"),
                         .aaaa = NODATA,
                         .own4 = "",
                         .ns = {"198.51.100.7"},
                         .ns_name = "ns1.sedoparking.com"},
         "dns.a.mismatch", "is parked", "set the AAAA record of derp.demo.com to 2001:db8::10");
}

#define AS_4                                                                                       \
    "If 198.51.100.7 does lead to this server, through a translation or a load balancer, name "    \
    "it: derp-setup --ip4=198.51.100.7 derp.demo.com"
#define AS_6                                                                                       \
    "If 2001:db8::9 does lead to this server, through a translation or a load balancer, name it: " \
    "derp-setup --ip6=2001:db8::9 derp.demo.com"

/* wanted: the fix tells how to name the address that was found. */
static void tells_of_option(const struct case_ *c, const char *id, const char *wanted)
{
    struct built b;
    judge_case(c, &b);
    const struct finding *f = findings_get(&b.all, id);
    assert_non_null(f);
    if (wanted ? !strstr(f->fix, wanted) : strstr(f->fix, "--ip") != NULL)
        fail_msg("%s: \"%s\", wanted \"%s\"", id, f->fix, wanted ? wanted : "no --ip");
    drop(&b);
}

static void translated(void **state)
{
    (void)state;
    tells_of_option(&(struct case_){.a = DATA("198.51.100.7"), .aaaa = NODATA}, "dns.a.mismatch",
                    AS_4);
    tells_of_option(&(struct case_){.a = DATA("198.51.100.7"), .aaaa = DATA("2001:db8::9")},
                    "dns.a.mismatch", AS_4);
    tells_of_option(&(struct case_){.a = DATA("198.51.100.7"), .aaaa = NODATA, .own4 = ""},
                    "dns.a.mismatch", AS_4);
    tells_of_option(&(struct case_){.a = DATA(OURS4), .aaaa = DATA("2001:db8::9")},
                    "dns.aaaa.stray", AS_6);
    tells_of_option(&(struct case_){.a = DATA(OURS4), .aaaa = DATA("2001:db8::9"), .own6 = ""},
                    "dns.aaaa.stray", AS_6);
    /* Named, it would not help: nobody reaches it, or the other one would then be wrong. */
    tells_of_option(&(struct case_){.a = DATA("192.168.1.7"), .aaaa = NODATA}, "dns.a.mismatch",
                    NULL);
    tells_of_option(&(struct case_){.a = DATA("198.51.100.7 198.51.100.8"), .aaaa = NODATA},
                    "dns.a.mismatch", NULL);
    tells_of_option(&(struct case_){.a = DATA(OURS4), .aaaa = DATA("fd00::9")}, "dns.aaaa.stray",
                    NULL);
    tells_of_option(&(struct case_){.a = DATA(OURS4), .aaaa = DATA("2606:4700::1")},
                    "dns.aaaa.stray", NULL);
    tells_of_option(&(struct case_){.a = DATA(OURS4), .aaaa = DATA(OURS6 " 2001:db8::9")},
                    "dns.aaaa.stray", NULL);
    tells_of_option(
        &(struct case_){.a = DATA(OURS4), .aaaa = DATA("2001:db8::9"), .own6 = "", .no_ipv6 = true},
        "dns.aaaa.stray", NULL);
}

static void words_of_servers(void **state)
{
    (void)state;
    says(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "198.51.100.7"}},
         "dns.ns.disagree",
         "ns1.demo.com (203.0.113.51) points to this server, but ns2.demo.com (203.0.113.52) says "
         "198.51.100.7",
         "--wait-dns=10m derp.demo.com");
    says(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, OURS4, "nx"}},
         "dns.ns.disagree", "ns3.demo.com (203.0.113.53) says that there is no such name",
         "do not say 203.0.113.10");
    says(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "none"}},
         "dns.ns.disagree", "ns2.demo.com (203.0.113.52) says that it has no address", NULL);
    says(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, OURS4}}, "dns.ns.ok",
         "2 of 2 name servers of demo.com answer, all the same", NULL);
    says(&(struct case_){.a = DATA("198.51.100.7"),
                         .aaaa = NODATA,
                         .ns = {"198.51.100.7", "198.51.100.8"}},
         "dns.ns.ok", "not all the same", NULL);
    says(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "six"}}, "dns.ns.ok",
         "1 of 2 name servers of demo.com answer; the others could not be asked from here", NULL);
    says(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "silent"}},
         "dns.ns.silent", "ns2.demo.com (203.0.113.52), a name server of demo.com, does not answer",
         "take ns2.demo.com out of the name servers of demo.com");
    says(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "refused"}}, "dns.ns.lame",
         "(it answers REFUSED)", "Have the zone demo.com set up on that server");
    says(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "nowhere"}},
         "dns.ns.address", "ns2.demo.com", "glue record");
    says(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, OURS4}, .above = "1"},
         "dns.ns.delegation", "ns2.demo.com stands only in the zone", "the same");
    says(&(struct case_){.a = SERVFAIL, .aaaa = SERVFAIL, .ns = {"refused", "silent", "referral"}},
         "dns.servfail",
         ": ns1.demo.com (203.0.113.51) answers REFUSED, ns2.demo.com (203.0.113.52) does not "
         "answer, ns3.demo.com (203.0.113.53) does not serve the zone",
         "serve its zone");
    says(&(struct case_){.a = SERVFAIL, .aaaa = SERVFAIL, .ns = {OURS4}}, "dns.servfail",
         ": asked directly, they do answer", NULL);
    says(&(struct case_){.a = SERVFAIL,
                         .aaaa = SERVFAIL,
                         .ns = {"cname:two.demo.com,derp.demo.com"}},
         "dns.cname.loop", "two.demo.com is an alias of derp.demo.com again",
         "Replace the CNAME record of derp.demo.com by the A record 203.0.113.10");
    says(&(struct case_){.a = SERVFAIL, .aaaa = SERVFAIL, .ns = {"cname:derp.demo.com"}},
         "dns.cname.loop", "derp.demo.com is an alias of derp.demo.com again", NULL);
    says(&(struct case_){.a = SERVFAIL, .aaaa = SERVFAIL, .ns = {"unsure"}}, "dns.servfail",
         "are not set up for it", "Check at your DNS provider");
    says(&(struct case_){.a = SERVFAIL, .aaaa = SERVFAIL, .ns = {"six", "six"}}, "dns.unreachable",
         "this server has no route to the name servers of derp.demo.com: ns1.demo.com has "
         "2001:db8::53",
         "(--dns-resolver=ADDRESS), then run: derp-setup check derp.demo.com");
    says(&(struct case_){.a = SERVFAIL, .aaaa = SERVFAIL, .ns = {"nowhere"}}, "dns.servfail",
         "ns1.demo.com has no address", "Give the registrar the address of ns1.demo.com");
}

static void words_of_strangers(void **state)
{
    (void)state;
    says(&(struct case_){.a = DATA("104.21.5.6"), .aaaa = NODATA}, "dns.cdn",
         "the content delivery network Cloudflare", "\"DNS only\", the grey cloud");
    says(&(struct case_){.a = {ANSWER_DATA, "198.51.100.7", "x.kunlunsl.com"}, .aaaa = NODATA},
         "dns.cdn", "Alibaba Cloud CDN",
         "Replace the CNAME record of derp.demo.com by the A record 203.0.113.10");
    says(&(struct case_){.a = DATA(OURS4), .aaaa = DATA("2606:4700::1")}, "dns.aaaa.stray",
         "2606:4700::1, an address of Cloudflare", NULL);
    says(&(struct case_){.a = DATA("198.51.100.7"),
                         .aaaa = NODATA,
                         .ns = {"198.51.100.7"},
                         .ns_name = "expirens3.hichina.com"},
         "dns.a.mismatch", "is parked: its name server expirens3.hichina.com is that of HiChina",
         "has expired");
    says(&(struct case_){.a = DATA("198.51.100.7"), .aaaa = NODATA, .wild = "198.51.100.7"},
         "dns.a.mismatch", "the wildcard *.demo.com answers for it with 198.51.100.7",
         "Add an A record for derp.demo.com with 203.0.113.10 and TTL 600");
}

/* What public resolvers remember: "ADDRESS@TTL", "nx@TTL", "servfail" or "silent". */
static void remember(const char *const says[], const char *found, const char *message,
                     const char *fix)
{
    struct built b;
    struct verdict_resolver list[4] = {0};
    size_t count = 0;
    char text[512];
    judge_case(&(struct case_){.a = DATA(OURS4), .aaaa = NODATA}, &b);
    findings_free(&b.all);
    for (; count < 4 && says[count]; count++) {
        char address[64];
        unsigned ttl = 0;
        sscanf(says[count], "%63[^@]@%u", address, &ttl);
        list[count].server = ip("8.8.8.8");
        list[count].answered = strcmp(address, "silent") != 0;
        if (strcmp(address, "nx") == 0)
            list[count].a = (struct answer){.status = ANSWER_NXDOMAIN, .ttl = ttl};
        else if (strcmp(address, "servfail") == 0)
            list[count].a.status = ANSWER_SERVFAIL, list[count].rcode = 2;
        else if (list[count].answered)
            list[count].a = build(&(struct told){ANSWER_DATA, address, .ttl = ttl}, false);
    }
    verdict_resolvers(&b.in, list, count, &b.all);
    list_of(&b.all, text, sizeof text);
    assert_string_equal(text, found);
    if (message && !strstr(b.all.list[0].message, message))
        fail_msg("\"%s\" lacks \"%s\"", b.all.list[0].message, message);
    if (fix && !strstr(b.all.list[0].fix, fix))
        fail_msg("\"%s\" lacks \"%s\"", b.all.list[0].fix, fix);
    for (size_t i = 0; i < count; i++)
        answer_clear(&list[i].a);
    drop(&b);
}

#define SAYS(...)                                                                                  \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static void resolvers(void **state)
{
    (void)state;
    remember((const char *const[]){NULL}, "", NULL, NULL);
    remember(SAYS(OURS4 "@60", OURS4 "@600"), "ok dns.resolver.ok", "2 of 2", NULL);
    remember(SAYS(OURS4 "@60", "silent"), "ok dns.resolver.ok", "1 of 2", NULL);
    remember(SAYS("silent", "silent"), "skip dns.resolver.skip", "none of 2", NULL);
    remember(SAYS(OURS4 "@60", "198.51.100.7@212"), "warn dns.resolver.old",
             "8.8.8.8 says 198.51.100.7 for another 212 s", "in 212 s at the latest");
    remember(SAYS("nx@40", "198.51.100.7@20"), "warn dns.resolver.old",
             "says no address for another 40 s, 8.8.8.8 says 198.51.100.7",
             "in 40 s at the latest");
    remember(SAYS("servfail"), "warn dns.resolver.old", "says SERVFAIL", "look again in an hour");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(words_of_six),
        cmocka_unit_test(translated),
        cmocka_unit_test(words_of_servers),
        cmocka_unit_test(words_of_strangers),
        cmocka_unit_test(resolvers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
