/* SPDX-License-Identifier: Apache-2.0 */
/* From recorded answers to findings. Pure: asks nobody, so every fault can be tried on paper. */
#ifndef DNSCHECK_VERDICT_H
#define DNSCHECK_VERDICT_H

#include "base/finding.h"
#include "dnscheck/answer.h"
#include "dnscheck/authority.h"
#include "dnscheck/dnscheck.h"
#include "dnscheck/trace.h"

/* What was asked and what came back. The answers stay the caller's. */
struct verdict_input {
    const struct dnscheck_options *options;
    const char *domain; /* lower case, no trailing dot */
    const struct dnscheck_own *own;
    const struct answer *root; /* NS of the root: whether anybody can be reached */
    const struct answer *a;
    const struct answer *aaaa;
    const struct answer *const *caa; /* of the domain, its parent, … up to the top-level domain */
    size_t caa_count;
    bool validated; /* there was a trust anchor */
    const struct trace *trace;
    const struct authority *authority; /* what its name servers say themselves; NULL: not asked */
    const struct answer *wildcard; /* A of a name beside the domain that nobody has made; NULL: not
                                      asked */
};

/* What a public resolver, which has a cache, says. */
struct verdict_resolver {
    struct endpoint server;
    bool answered;
    unsigned rcode;
    struct answer a;
};

/* own from the options and the interfaces' addresses (NULL: unreadable, for the reason why). */
void verdict_own(const struct dnscheck_options *o, const struct address_pair *found,
                 const char *why, struct dnscheck_own *own, struct findings *all);

/* The findings of dnscheck_domain; fills r but for interrupted. */
void verdict_domain(const struct verdict_input *in, struct dnscheck_result *r,
                    struct findings *all);

/* Parts of it. The first: whether the name servers contradict each other, some of them being right;
 * that is then the one finding about addresses. */
bool verdict_disagreement(const struct verdict_input *in, struct findings *all);
void verdict_addresses(const struct verdict_input *in, const struct dnscheck_result *r,
                       struct findings *all);
void verdict_servers(const struct verdict_input *in, struct findings *all);
void verdict_caa(const struct verdict_input *in, struct findings *all);
void verdict_bogus(const struct verdict_input *in, const struct answer *a, struct findings *all);

/* No answer in time. */
bool verdict_silent(const struct answer *a);

/* What resolvers still remember; only for a domain that points to us. */
void verdict_resolvers(const struct verdict_input *in, const struct verdict_resolver *list,
                       size_t count, struct findings *all);

/* How a name server took the questions. */
enum server_state {
    SERVER_GOOD,   /* it answers for the zone: data, NODATA or NXDOMAIN, with authority */
    SERVER_SILENT, /* no answer over UDP nor TCP */
    SERVER_LAME,   /* an answer that is none: REFUSED, SERVFAIL, a referral */
};

enum server_state server_state(const struct authority_server *s);

#endif
