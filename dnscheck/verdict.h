/* SPDX-License-Identifier: Apache-2.0 */
/* From recorded answers to findings. Pure: asks nobody, so every fault can be tried on paper. */
#ifndef DNSCHECK_VERDICT_H
#define DNSCHECK_VERDICT_H

#include "base/finding.h"
#include "dnscheck/answer.h"
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
};

/* own from the options and the interfaces' addresses (NULL: unreadable, for the reason why). */
void verdict_own(const struct dnscheck_options *o, const struct address_pair *found,
                 const char *why, struct dnscheck_own *own, struct findings *all);

/* The findings of dnscheck_domain; fills r but for interrupted. */
void verdict_domain(const struct verdict_input *in, struct dnscheck_result *r,
                    struct findings *all);

/* The CAA part of it. */
void verdict_caa(const struct verdict_input *in, struct findings *all);

#endif
