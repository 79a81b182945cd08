/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the DNS, by full recursion or through one server. The only user of libunbound. */
#ifndef DNSCHECK_RESOLVE_H
#define DNSCHECK_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "dnscheck/answer.h"
#include "dnscheck/trace.h"

struct resolve_options {
    const char *root_hints; /* these three as in struct dnscheck_options */
    const char *trust_anchor;
    struct endpoint resolver;
    bool ip6; /* name servers may be asked over IPv6 */
    const volatile int *stop;
};

struct resolve_question {
    char name[DNSCHECK_NAME_MAX];
    uint16_t type;
    struct answer answer; /* filled; free with answer_clear */
};

struct resolver;

/*
 * A resolver with a cache that lives as long as it does. It begins by asking for the NS records of
 * the root. NULL: nothing can be asked, because root
 * hints, trust anchor or resolver are unusable. libunbound logs through a global: one at a time in
 * a process.
 */
struct resolver *resolver_open(const struct resolve_options *o, struct fault *f);

/* The answer to that: whether anybody can be reached. ANSWER_NONE until resolver_wait. */
const struct answer *resolver_root(const struct resolver *r);

/* True when there is a trust anchor. */
bool resolver_validates(const struct resolver *r);

/* Begins to ask. The list has to outlive the resolver: answers may come late. */
void resolver_ask(struct resolver *r, struct resolve_question *list, size_t count);

/*
 * Waits for the answers to what was asked since the last call, timeout_ms at most; questions
 * without one keep ANSWER_NONE and may still be filled in by a later call. false: *stop was set.
 */
bool resolver_wait(struct resolver *r, int timeout_ms);

/* Hands a list (from mem_alloc) over: it is freed, with its answers, when the resolver closes. */
void resolver_keep(struct resolver *r, struct resolve_question *list, size_t count);

/* What came back so far, as far as it concerns domain. */
void resolver_trace(struct resolver *r, const char *domain, struct trace *trace);

/* NULL is allowed. */
void resolver_close(struct resolver *r);

#endif
