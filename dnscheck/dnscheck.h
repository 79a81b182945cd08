/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this domain ours, and may the CA issue for it? Asks the DNS as the CA will: by full recursion
 * from the root with DNSSEC, nothing taken from a cache, nothing kept in one. Reads only; the
 * answer is findings (ids below), each with what was found, what was expected and the fix.
 *
 *     struct dnscheck_options o = {.domain = "derp.demo.com", .ca_names = names, .ca_count = 1};
 *     struct dnscheck_own own;
 *     struct dnscheck_result r;
 *     dnscheck_own(&o, &own, &all);
 *     dnscheck_domain(&o, &own, &r, &all);
 */
#ifndef DNSCHECK_DNSCHECK_H
#define DNSCHECK_DNSCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/finding.h"
#include "base/net.h"
#include "dnscheck/address.h"
#include "dnscheck/cloud.h"

#define DNSCHECK_TIMEOUT_MS 15000
#define DNSCHECK_NAME_MAX   256 /* a printed name and its terminator */
#define DNSCHECK_CHAIN_MAX  8   /* CNAMEs remembered for messages */
#define DNSCHECK_TTL_GOOD   600 /* seconds; advised while things still change */

/* Who says what this server's public IPv4 address is. */
struct dnscheck_witness {
    enum dnscheck_witness_kind {
        WITNESS_METADATA, /* the cloud: where what comes in arrives */
        WITNESS_STUN,     /* others: where what goes out comes from */
        WITNESS_HTTPS,
        WITNESS_EARLIER, /* an earlier run of this program */
    } kind;
    char name[DNSCHECK_NAME_MAX]; /* for messages: "the metadata of Amazon EC2", "stun.example.net"
                                   */
    struct endpoint ip4;          /* AF_UNSPEC: it did not answer */
};

#define DNSCHECK_WITNESSES_MAX 12
#define DNSCHECK_RESOLVERS_MAX 16

/* Zero is a sensible value of every field but domain. Strings must outlive the calls. */
struct dnscheck_options {
    const char *domain; /* any case, a trailing dot is allowed; checked by the caller with
                           text_is_hostname (otherwise dns.name is found) */

    /* [dns] of the config. */
    const char *root_hints;   /* file of NS and A/AAAA records; NULL: the public root */
    const char *trust_anchor; /* file of DS or DNSKEY records; NULL: the public root's, or no
                                 validation when root_hints is set */
    struct endpoint resolver; /* ask this server instead of recursing; AF_UNSPEC: recurse. Without
                                 trust_anchor its answers are believed, said as a warning */

    /* Own addresses. */
    struct endpoint ip4; /* --ip4, --ip6; AF_UNSPEC: whatever the interfaces have */
    struct endpoint ip6;
    bool no_ipv6;      /* the relay serves no IPv6: any AAAA record is stray */
    bool own_optional; /* no public address on the interfaces is a warning instead of a failure:
                          for derp-acme, which is not told of --ip4 */
    const struct dnscheck_witness *witnesses; /* believed when the interfaces have no public IPv4
                                                 address and none was given */
    size_t witness_count;
    enum cloud cloud; /* with them: behind a cloud's 1:1 NAT everything arrives */

    /* CAA, RFC 8659. */
    const char *const *ca_names; /* issuer names the CA accepts ("letsencrypt.org"; the directory's
                                    caaIdentities) */
    size_t ca_count;             /* 0: unknown; then only a CAA set that forbids everyone fails */
    const char *challenge;       /* "tls-alpn-01", for validationmethods; NULL: not compared */
    const char *account_uri;     /* for accounturi; NULL: not known yet, then a record with one
                                    warns instead of failing (RFC 8657) */

    /* Resolvers whose caches clients ask; only asked once the domain points here. */
    struct endpoint resolvers[DNSCHECK_RESOLVERS_MAX];
    size_t resolver_count;

    int timeout_ms;           /* whole check; 0: DNSCHECK_TIMEOUT_MS */
    const volatile int *stop; /* non-zero ends the check within 100 ms; may be NULL */
};

/* This server's public addresses as far as they can be known. */
struct dnscheck_own {
    struct address_pair public; /* given ones, otherwise the interfaces' public ones */
    struct address_pair found;  /* everything on the interfaces */
    bool known4; /* public.ip4 can be compared against: false when the interfaces have only
                    addresses that the internet cannot see and none was given, or are unreadable */
    /* public.ip6 can be compared against: false only when the interfaces are unreadable and none
     * was given. Having none, or private ones only, is taken for knowledge: bridges have such, too,
     * and translated IPv6, which --ip6 names, is rare. */
    bool known6;
};

struct dnscheck_result {
    struct address_set a; /* what the domain points to */
    struct address_set aaaa;
    uint32_t ttl; /* seconds for which an old address may be kept: the longer one of A and AAAA,
                     each the smallest in its chain of CNAMEs; 0 without addresses */
    bool secure;  /* the addresses were validated by DNSSEC */
    char chain[DNSCHECK_CHAIN_MAX][DNSCHECK_NAME_MAX]; /* names the CNAMEs lead through, in order */
    size_t chain_count;
    bool ready;       /* nothing failed: the CA would reach this server and may issue */
    bool pending;     /* something failed that a change in the DNS will cure: worth waiting for */
    bool local;       /* what failed is on this side (network, files, trust anchor, clock): the CA
                         may see the domain well, and no change in the domain's DNS will help */
    bool interrupted; /* *stop was set; no verdict */
};

/*
 * Finds own addresses. Findings: one address.* of
 *   address.ok, address.given (ok), address.cgnat and address.private (fail; warn with own_optional
 *   or when --ip4 names it; the latter also beside a public IPv6 address, as it may be that of a
 *   container's bridge), address.missing (fail: no address at all; warn: no public IPv4),
 *   address.nat (two witnesses agree; warn outside a cloud, where ports may have to be forwarded,
 *   and in one whose metadata should know that address and do not: a NAT gateway for what goes
 * out), address.egress (warn: the cloud says one address, the others see another), address.unproven
 *   (warn: one witness that is believed alone), address.disagree (fail),
 *   address.unusable (fail: --ip4 or --ip6 names what no host can have), address.unknown (warn:
 *   the interfaces cannot be read)
 */
void dnscheck_own(const struct dnscheck_options *o, struct dnscheck_own *own, struct findings *all);

/*
 * Checks the domain against own. Takes at most timeout_ms. One thing wrong gives one failure:
 *   dns.name            not a host name
 *   dns.hints           root hints or trust anchor file missing, empty or malformed
 *   dns.unreachable     no name server answered at all, or there is no route to the domain's;
 *                       dns.timeout: the domain's did not answer
 *   dns.servfail        the domain's servers are broken, lame or refuse
 *   dns.bogus           DNSSEC validation failed
 *   dns.nxdomain        the domain does not exist
 *   dns.a.missing       it exists without an A record (warn when its AAAA record is ours and no
 *                       public IPv4 address of ours is known)
 *   dns.a.mismatch      it points to somebody else's server (or is parked, or has no record of its
 *                       own and a wildcard answers)
 *   dns.cname.loop      its CNAME records lead in a circle
 *   dns.cdn             it points to a content delivery network
 *   dns.ns.disagree     its name servers contradict each other, some of them being right
 *   dns.a.extra         one of several A records is not ours
 *   dns.aaaa.stray      an AAAA record is not ours (the CA tries IPv6 first)
 *   dns.caa.forbidden, dns.caa.servfail
 * and, when these allow it, warnings
 *   dns.a.unchecked     own address unknown (own.known4 is false)
 *   dns.caa.unchecked   no CA name given (skip), or accounturi not comparable yet
 *   dns.caa.case        the CA is named, in letters of another case
 *   dns.dnssec.off      answers were not validated: root hints or resolver without trust anchor
 *   dns.ttl             the record's TTL is above DNSCHECK_TTL_GOOD
 *   dns.ns.silent, dns.ns.lame, dns.ns.address, dns.ns.delegation
 *                       a name server does not answer, does not serve the zone, has no address; the
 *                       zone above names others than the zone itself
 *   dns.resolver.old    public resolvers still have another answer in their caches, and for how
 * long and dns.ok, dns.ns.ok, dns.resolver.ok (skip: dns.resolver.skip), dns.caa.ok.
 * dns.interrupted (skip) after *stop.
 */
void dnscheck_domain(const struct dnscheck_options *o, const struct dnscheck_own *own,
                     struct dnscheck_result *r, struct findings *all);

enum dnscheck_txt {
    DNSCHECK_TXT_FOUND,
    DNSCHECK_TXT_ABSENT,  /* the domain's servers answer, and have no such record */
    DNSCHECK_TXT_UNKNOWN, /* they were not reached, or their answers are no use */
};

/*
 * Is there a TXT record with this value at a name (which may begin with underscores)? Asked once,
 * by a recursion of its own without any cache, of one of the domain's servers: ask several times to
 * hear of them all. Uses the [dns] fields and timeout_ms of o; f says why it is not
 * DNSCHECK_TXT_FOUND.
 */
enum dnscheck_txt dnscheck_txt(const struct dnscheck_options *o, const char *name,
                               const char *value, struct fault *f);

/* True when the interfaces show private IPv4 addresses only and none was given: witnesses are
 * needed. */
bool dnscheck_is_hidden(const struct dnscheck_options *o);

/* IPv4 addresses of count names, asked as the domain is; those that are not found in time are left
 * empty. */
void dnscheck_lookup(const struct dnscheck_options *o, const char *const *names, size_t count,
                     int timeout_ms, struct address_set *sets);

#endif
