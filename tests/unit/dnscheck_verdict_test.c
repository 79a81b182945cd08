/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/verdict.c"

#include "tests/unit/dnscheck_case.h"

#define FINE "ok dns.ok, ok dns.caa.ok"

/* clang-format off */
static const struct case_ cases[] = {
    /* All well */
    {"points here",
     FINE, .a = DATA(OURS4), .aaaa = NODATA},
    {"points here, AAAA says NXDOMAIN",
     FINE, .a = DATA(OURS4), .aaaa = NXDOMAIN},
    {"points here in both families",
     FINE, .a = DATA(OURS4), .aaaa = DATA(OURS6)},
    {"two A records, both ours",
     FINE, .a = DATA("203.0.113.10 203.0.113.11"), .aaaa = NODATA, .own4 = "203.0.113.11 203.0.113.10"},
    {"an alias that ends here",
     FINE, .a = {ANSWER_DATA, OURS4, "lb.demo.com"}, .aaaa = {ANSWER_NODATA, NULL, "lb.demo.com"}},
    {"IPv6 switched off, no AAAA",
     FINE, .a = DATA(OURS4), .aaaa = NODATA, .no_ipv6 = true},
    /* A */
    {"no such name",
     "fail dns.nxdomain", .a = NXDOMAIN, .aaaa = NXDOMAIN, .pending = true},
    {"alias of a name that is gone",
     "fail dns.nxdomain", .a = {ANSWER_NXDOMAIN, NULL, "gone.demo.com"}, .aaaa = NXDOMAIN, .pending = true},
    {"no A record",
     "fail dns.a.missing, ok dns.caa.ok", .a = NODATA, .aaaa = NODATA, .pending = true},
    {"only our AAAA",
     "fail dns.a.missing, ok dns.caa.ok", .a = NODATA, .aaaa = DATA(OURS6), .pending = true},
    {"only our AAAA, and we have no IPv4",
     "warn dns.a.missing, ok dns.caa.ok", .a = NODATA, .aaaa = DATA(OURS6), .own4 = ""},
    {"only our AAAA, and no public IPv4 of ours is known",
     "warn dns.a.missing, ok dns.caa.ok", .a = NODATA, .aaaa = DATA(OURS6), .own4 = "?"},
    {"nothing at all, and no public IPv4 of ours is known",
     "fail dns.a.missing, ok dns.caa.ok", .a = NODATA, .aaaa = NODATA, .own4 = "?", .pending = true},
    {"nothing at all, and we have no IPv4",
     "fail dns.a.missing, ok dns.caa.ok", .a = NODATA, .aaaa = NODATA, .own4 = "", .pending = true},
    {"only somebody else's AAAA, and we have no IPv4",
     "fail dns.aaaa.stray, ok dns.caa.ok", .a = NODATA, .aaaa = DATA("2001:db8::9"), .own4 = "", .pending = true},
    {"only AAAA records, one of them ours, and we have no IPv4",
     "warn dns.a.missing, fail dns.aaaa.stray, ok dns.caa.ok", .a = NODATA, .aaaa = DATA(OURS6 " 2001:db8::9"), .own4 = "", .pending = true},
    {"only somebody else's AAAA",
     "fail dns.a.missing, fail dns.aaaa.stray, ok dns.caa.ok", .a = NODATA, .aaaa = DATA("2001:db8::9"), .pending = true},
    {"somebody else's A",
     "fail dns.a.mismatch, ok dns.caa.ok", .a = DATA("198.51.100.7"), .aaaa = NODATA, .pending = true},
    {"two A records of others",
     "fail dns.a.mismatch, ok dns.caa.ok", .a = DATA("198.51.100.7 198.51.100.8"), .aaaa = NODATA, .pending = true},
    {"A and AAAA of others",
     "fail dns.a.mismatch, ok dns.caa.ok", .a = DATA("198.51.100.7"), .aaaa = DATA("2001:db8::9"), .pending = true},
    {"somebody else's A beside our AAAA",
     "fail dns.a.mismatch, ok dns.caa.ok", .a = DATA("198.51.100.7"), .aaaa = DATA(OURS6), .pending = true},
    {"somebody else's A, mixed AAAA",
     "fail dns.a.mismatch, fail dns.aaaa.stray, ok dns.caa.ok", .a = DATA("198.51.100.7"), .aaaa = DATA(OURS6 " 2001:db8::9"), .pending = true},
    {"carrier-NAT placeholder in the record",
     "fail dns.a.mismatch, ok dns.caa.ok", .a = DATA("100.100.100.100"), .aaaa = NODATA, .pending = true},
    {"A although we have no IPv4",
     "fail dns.a.mismatch, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = NODATA, .own4 = "", .pending = true},
    {"ours and another one",
     "fail dns.a.extra, ok dns.caa.ok", .a = DATA(OURS4 " 198.51.100.7"), .aaaa = NODATA, .pending = true},
    {"own IPv4 not known",
     "warn dns.a.unchecked, ok dns.caa.ok", .a = DATA("198.51.100.7"), .aaaa = NODATA, .own4 = "?"},
    /* AAAA */
    {"stale AAAA",
     "fail dns.aaaa.stray, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = DATA("2001:db8::9"), .pending = true},
    {"our AAAA beside a private one",
     "fail dns.aaaa.stray, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = DATA(OURS6 " fd00::1"), .pending = true},
    {"AAAA although we have no IPv6",
     "fail dns.aaaa.stray, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = DATA(OURS6), .own6 = "", .pending = true},
    {"AAAA although IPv6 is switched off",
     "fail dns.aaaa.stray, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = DATA(OURS6), .own6 = "", .no_ipv6 = true, .pending = true},
    {"own IPv6 not known",
     FINE, .a = DATA(OURS4), .aaaa = DATA("2001:db8::9"), .own6 = "?"},
    {"stale AAAA with a long TTL",
     "fail dns.aaaa.stray, warn dns.ttl, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = {ANSWER_DATA, "2001:db8::9", .ttl = 9999},
     .pending = true},
    {"AAAA gives SERVFAIL",
     "warn dns.servfail, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = SERVFAIL},
    {"AAAA gives no answer",
     "warn dns.timeout, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = NONE},
    {"AAAA is bogus",
     "fail dns.bogus, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = BOGUS, .pending = true},
    /* No usable answer */
    {"SERVFAIL",
     "fail dns.servfail", .a = SERVFAIL, .aaaa = SERVFAIL, .pending = true},
    {"SERVFAIL that came late",
     "fail dns.timeout", .a = {ANSWER_SERVFAIL, .late = true}, .aaaa = NONE, .pending = true},
    {"no answer",
     "fail dns.timeout", .a = NONE, .aaaa = NONE, .pending = true},
    {"no answer, nor from the root",
     "fail dns.timeout", .a = NONE, .aaaa = NONE, .root_dead = true, .pending = true},
    {"no answer at all, root known",
     "fail dns.timeout", .a = NONE, .aaaa = NONE, .quiet = true, .pending = true},
    {"nobody answers",
     "fail dns.unreachable", .a = NONE, .aaaa = NONE, .root_dead = true, .quiet = true, .local = true},
    {"nobody answers, SERVFAIL made up",
     "fail dns.unreachable", .a = SERVFAIL, .aaaa = SERVFAIL, .root_dead = true, .quiet = true, .local = true},
    {"the named resolver is silent",
     "fail dns.unreachable", .a = NONE, .aaaa = NONE, .root_dead = true, .quiet = true, .forward = true, .local = true},
    {"the named resolver gives SERVFAIL",
     "fail dns.servfail", .a = SERVFAIL, .aaaa = SERVFAIL, .root_dead = true, .forward = true, .pending = true},
    {"bogus",
     "fail dns.bogus", .a = BOGUS, .aaaa = BOGUS, .pending = true},
    {"bogus already at the root",
     "fail dns.bogus", .a = BOGUS, .aaaa = BOGUS, .root_bogus = true, .local = true},
    {"SERVFAIL below a bogus root",
     "fail dns.bogus", .a = SERVFAIL, .aaaa = SERVFAIL, .root_bogus = true, .local = true},
    /* TTL */
    {"TTL at the bound",
     FINE, .a = {ANSWER_DATA, OURS4, .ttl = 600}, .aaaa = NODATA},
    {"TTL above the bound",
     "ok dns.ok, warn dns.ttl, ok dns.caa.ok", .a = {ANSWER_DATA, OURS4, .ttl = 601}, .aaaa = NODATA},
    {"TTL of the AAAA above the bound",
     "ok dns.ok, warn dns.ttl, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = {ANSWER_DATA, OURS6, .ttl = 86400}},
    /* No validation */
    {"no trust anchor",
     FINE ", warn dns.dnssec.off", .a = DATA(OURS4), .aaaa = NODATA, .unvalidated = true},
    {"no trust anchor, through a resolver",
     FINE ", warn dns.dnssec.off", .a = DATA(OURS4), .aaaa = NODATA, .unvalidated = true, .forward = true},
    {"no trust anchor, nobody answers",
     "fail dns.unreachable", .a = NONE, .aaaa = NONE, .root_dead = true, .quiet = true, .unvalidated = true, .local = true},
    /* CAA: the domain's, then its parent's, then the top-level domain's */
    {"CAA names another CA",
     "ok dns.ok, fail dns.caa.forbidden", .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("digicert.com")}, .pending = true},
    {"CAA of the parent names another CA",
     "ok dns.ok, fail dns.caa.forbidden", .a = DATA(OURS4), .aaaa = NODATA, .caa = {NODATA, DATA("digicert.com")}, .pending = true},
    {"CAA of the top-level domain forbids",
     "ok dns.ok, fail dns.caa.forbidden", .a = DATA(OURS4), .aaaa = NODATA, .caa = {NODATA, NXDOMAIN, DATA(";")}, .pending = true},
    {"CAA of the domain wins over its parent's",
     FINE, .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("letsencrypt.org"), DATA("digicert.com")}},
    {"CAA of the domain found, parent's broken",
     FINE, .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("letsencrypt.org"), SERVFAIL}},
    {"CAA gives SERVFAIL",
     "ok dns.ok, fail dns.caa.servfail", .a = DATA(OURS4), .aaaa = NODATA, .caa = {SERVFAIL}, .pending = true},
    {"CAA of the parent gives no answer",
     "ok dns.ok, fail dns.caa.servfail", .a = DATA(OURS4), .aaaa = NODATA, .caa = {NODATA, {ANSWER_NONE, .late = true}}, .pending = true},
    {"CAA gives SERVFAIL, the parent's is fine",
     "ok dns.ok, fail dns.caa.servfail", .a = DATA(OURS4), .aaaa = NODATA, .caa = {SERVFAIL, DATA("letsencrypt.org")}, .pending = true},
    {"CAA above gives SERVFAIL through a resolver",
     "ok dns.ok, warn dns.caa.servfail", .a = DATA(OURS4), .aaaa = NODATA, .caa = {NODATA, NODATA, SERVFAIL}, .forward = true},
    {"CAA gives SERVFAIL through a resolver",
     "ok dns.ok, fail dns.caa.servfail", .a = DATA(OURS4), .aaaa = NODATA, .caa = {SERVFAIL}, .forward = true, .pending = true},
    {"CAA is bogus",
     "ok dns.ok, fail dns.bogus", .a = DATA(OURS4), .aaaa = NODATA, .caa = {BOGUS}, .pending = true},
    {"CAA names somebody, our CA unknown",
     "ok dns.ok, skip dns.caa.unchecked", .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("digicert.com")}, .nameless = true},
    {"CAA names nobody, our CA unknown",
     "ok dns.ok, fail dns.caa.forbidden", .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA(";")}, .nameless = true, .pending = true},
    {"no CAA, our CA unknown",
     FINE, .a = DATA(OURS4), .aaaa = NODATA, .nameless = true},
    {"CAA for an account, ours unknown",
     "ok dns.ok, warn dns.caa.unchecked", .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("letsencrypt.org;accounturi=https://x/1")}},
    {"CAA for our account",
     FINE, .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("letsencrypt.org;accounturi=https://x/1")}, .account = "https://x/1"},
    {"CAA for another account",
     "ok dns.ok, fail dns.caa.forbidden", .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("letsencrypt.org;accounturi=https://x/1")},
     .account = "https://x/2", .pending = true},
    {"CAA with our challenge among others",
     FINE, .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("letsencrypt.org;validationmethods=tls-alpn-01,dns-01")}},
    {"CAA without our challenge",
     "ok dns.ok, fail dns.caa.forbidden", .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("letsencrypt.org;validationmethods=dns-01")},
     .pending = true},
    {"CAA with a critical unknown property",
     "ok dns.ok, fail dns.caa.forbidden", .a = DATA(OURS4), .aaaa = NODATA, .caa = {DATA("!future")}, .pending = true},
    /* Two faults are two findings */
    {"elsewhere, and forbidden by CAA",
     "fail dns.a.mismatch, fail dns.caa.forbidden", .a = DATA("198.51.100.7"), .aaaa = NODATA, .caa = {DATA("digicert.com")},
     .pending = true},
    /* Name servers, asked one by one */
    {"both say the same",
     FINE NS_FINE, .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, OURS4}},
    {"a name server alone",
     FINE NS_FINE, .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4}},
    {"one still has the old address",
     "fail dns.ns.disagree, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "198.51.100.7"}, .pending = true},
    {"one still has the old address, and recursion met it",
     "fail dns.ns.disagree, ok dns.caa.ok", .a = DATA("198.51.100.7"), .aaaa = NODATA, .ns = {OURS4, "198.51.100.7"}, .pending = true},
    {"one does not know the name yet, and recursion met it",
     "fail dns.ns.disagree, ok dns.caa.ok", .a = NXDOMAIN, .aaaa = NXDOMAIN, .ns = {"nx", OURS4}, .pending = true},
    {"one has no A record yet",
     "fail dns.ns.disagree, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = NODATA, .ns = {"none", OURS4}, .pending = true},
    {"one has a stale AAAA",
     "fail dns.ns.disagree, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4 "+2001:db8::99", OURS4}, .pending = true},
    {"one lacks our AAAA: no harm",
     FINE NS_FINE, .a = DATA(OURS4), .aaaa = DATA(OURS6), .ns = {OURS4 "+" OURS6, OURS4}},
    {"both have the old address",
     "fail dns.a.mismatch, ok dns.caa.ok" NS_FINE, .a = DATA("198.51.100.7"), .aaaa = NODATA, .ns = {"198.51.100.7", "198.51.100.7"}, .pending = true},
    {"different addresses, own IPv4 not known",
     "warn dns.a.unchecked, ok dns.caa.ok" NS_FINE, .a = DATA(OURS4), .aaaa = NODATA, .own4 = "?", .ns = {OURS4, "198.51.100.7"}},
    {"aliases that lead out of the zone",
     FINE NS_FINE, .a = {ANSWER_DATA, OURS4, "lb.example.net"}, .aaaa = NODATA, .ns = {"cname:lb.example.net", "cname:lb.example.net"}},
    {"one is silent",
     FINE ", warn dns.ns.silent", .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "silent"}},
    {"two are silent: said once",
     FINE ", warn dns.ns.silent", .a = DATA(OURS4), .aaaa = NODATA, .ns = {"silent", OURS4, "silent"}},
    {"one refuses",
     FINE ", warn dns.ns.lame", .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "refused"}},
    {"one gives SERVFAIL",
     FINE ", warn dns.ns.lame", .a = DATA(OURS4), .aaaa = NODATA, .ns = {"servfail", OURS4}},
    {"one refers to others",
     FINE ", warn dns.ns.lame", .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "referral"}},
    {"one has no address",
     FINE ", warn dns.ns.address", .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "nowhere", "nowhere"}},
    {"silent, lame and nowhere",
     FINE ", warn dns.ns.silent, warn dns.ns.lame, warn dns.ns.address", .a = DATA(OURS4), .aaaa = NODATA,
     .ns = {OURS4, "silent", "refused", "nowhere"}},
    {"the registrar names one of two",
     FINE ", warn dns.ns.delegation", .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, OURS4}, .above = "1"},
    {"one has IPv6 only, which we have not",
     FINE NS_FINE, .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "six"}},
    {"the address of one was not found in time",
     FINE NS_FINE, .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "unsure"}},
    {"of two without an address one is sure",
     FINE ", warn dns.ns.address", .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "unsure", "nowhere"}},
    {"the registrar could not be asked",
     FINE NS_FINE, .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, OURS4}, .above = ""},
    {"one of two addresses of a name server is silent",
     FINE NS_FINE, .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4 "&silent", "silent&" OURS4}},
    {"one of two addresses is silent, the other refuses",
     FINE ", warn dns.ns.silent", .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, "refused&silent"}},
    {"one of two addresses has the old record",
     "fail dns.ns.disagree, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4 "&198.51.100.7"}, .pending = true},
    {"SERVFAIL, as all refuse",
     "fail dns.servfail", .a = SERVFAIL, .aaaa = SERVFAIL, .ns = {"refused", "refused"}, .pending = true},
    {"SERVFAIL, as the aliases lead in a circle",
     "fail dns.cname.loop", .a = SERVFAIL, .aaaa = SERVFAIL, .ns = {"cname:two.demo.com,derp.demo.com"}, .pending = true},
    {"SERVFAIL, though they answer",
     "fail dns.servfail", .a = SERVFAIL, .aaaa = SERVFAIL, .ns = {OURS4, "cname:two.demo.com"}, .pending = true},
    {"SERVFAIL, as none has an address",
     "fail dns.servfail", .a = SERVFAIL, .aaaa = SERVFAIL, .ns = {"nowhere"}, .pending = true},
    {"no answer, as all are silent",
     "fail dns.timeout", .a = NONE, .aaaa = NONE, .ns = {"silent", "silent"}, .pending = true},
    {"bogus, though the servers answer",
     "fail dns.bogus", .a = BOGUS, .aaaa = BOGUS, .ns = {OURS4, OURS4}, .pending = true},
    /* Why it is somebody else's */
    {"Cloudflare's address",
     "fail dns.cdn, ok dns.caa.ok", .a = DATA("104.21.5.6 172.67.9.9"), .aaaa = NODATA, .pending = true},
    {"Cloudflare's addresses in both families",
     "fail dns.cdn, ok dns.caa.ok", .a = DATA("104.21.5.6"), .aaaa = DATA("2606:4700::6815:506"), .pending = true},
    {"Cloudflare's address, own IPv4 not known",
     "fail dns.cdn, ok dns.caa.ok", .a = DATA("104.21.5.6"), .aaaa = NODATA, .own4 = "?", .pending = true},
    {"alias of a CDN",
     "fail dns.cdn, ok dns.caa.ok", .a = {ANSWER_DATA, "198.51.100.7", "d111.cloudfront.net"}, .aaaa = NODATA, .pending = true},
    {"Cloudflare's address beside another",
     "fail dns.a.mismatch, ok dns.caa.ok", .a = DATA("104.21.5.6 198.51.100.7"), .aaaa = NODATA, .pending = true},
    {"ours and Cloudflare's",
     "fail dns.a.extra, ok dns.caa.ok", .a = DATA(OURS4 " 104.21.5.6"), .aaaa = NODATA, .pending = true},
    {"AAAA of Cloudflare",
     "fail dns.aaaa.stray, ok dns.caa.ok", .a = DATA(OURS4), .aaaa = DATA("2606:4700::6815:506"), .pending = true},
    {"the zone above names fewer of very many",
     FINE NS_FINE, .a = DATA(OURS4), .aaaa = NODATA, .ns = {OURS4, OURS4}, .above = "1", .ns_cut = true},
    {"all servers refer to a zone below",
     FINE NS_FINE, .a = DATA(OURS4), .aaaa = NODATA, .ns = {"referral", "referral"}},
    {"all that answer refer to a zone below",
     FINE ", warn dns.ns.silent", .a = DATA(OURS4), .aaaa = NODATA, .ns = {"referral", "silent"}},
    {"one refers to a zone below, the other refuses",
     FINE ", warn dns.ns.lame", .a = DATA(OURS4), .aaaa = NODATA, .ns = {"refused", "referral"}},
    {"name servers without a route to them",
     "fail dns.unreachable", .a = SERVFAIL, .aaaa = SERVFAIL, .ns = {"six", "six"}, .local = true},
    {"silence, and name servers without a route to them",
     "fail dns.unreachable", .a = NONE, .aaaa = NONE, .ns = {"six", "nowhere"}, .local = true},
    {"name servers of which only one has no route to it",
     "fail dns.servfail", .a = SERVFAIL, .aaaa = SERVFAIL, .ns = {"six", "refused"}, .pending = true},
    {"parked",
     "fail dns.a.mismatch, ok dns.caa.ok" NS_FINE, .a = DATA("198.51.100.7"), .aaaa = NODATA, .ns = {"198.51.100.7"},
     .ns_name = "ns1.sedoparking.com", .pending = true},
    {"a wildcard answers",
     "fail dns.a.mismatch, ok dns.caa.ok", .a = DATA("198.51.100.7"), .aaaa = NODATA, .wild = "198.51.100.7", .pending = true},
    {"a wildcard alias answers",
     "fail dns.a.mismatch, ok dns.caa.ok", .a = {ANSWER_DATA, "198.51.100.7", "w.demo.com"}, .aaaa = NODATA,
     .wild = "198.51.100.7", .wild_alias = "w.demo.com", .pending = true},
    {"a wildcard that points here",
     FINE, .a = DATA(OURS4), .aaaa = NODATA, .wild = OURS4},
};
/* clang-format on */

static void judges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct built b;
        char found[512];
        judge_case(&cases[i], &b);
        list_of(&b.all, found, sizeof found);
        if (strcmp(found, cases[i].findings) != 0)
            fail_msg("%s: %s; wanted %s", cases[i].name, found, cases[i].findings);
        bool failed = findings_worst(&b.all) == SEVERITY_FAIL;
        if (b.result.ready == failed || b.result.pending != cases[i].pending ||
            b.result.local != cases[i].local)
            fail_msg("%s (%s): ready %d pending %d local %d", cases[i].name, found, b.result.ready,
                     b.result.pending, b.result.local);
        /* Who is told of a fault is told what to do. */
        for (size_t k = 0; k < b.all.count; k++) {
            if (b.all.list[k].severity == SEVERITY_FAIL && !b.all.list[k].fix)
                fail_msg("%s: %s has no fix", cases[i].name, b.all.list[k].id);
        }
        drop(&b);
    }
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
        cmocka_unit_test(undelegated),
        cmocka_unit_test(results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
