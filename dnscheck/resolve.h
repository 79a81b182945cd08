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
    bool ip6;       /* name servers may be asked over IPv6 */
    int timeout_ms; /* > 0 */
    const volatile int *stop;
};

struct resolve_question {
    char name[DNSCHECK_NAME_MAX];
    uint16_t type;
    struct answer answer; /* filled; free with answer_clear */
};

struct resolve_outcome {
    bool validated;   /* there was a trust anchor */
    bool interrupted; /* *stop was set before all answers were in */
    struct trace trace;
};

/*
 * Asks all questions at once, with a cache that lives only for this call; domain (the name it is
 * all about) tells which zones matter in the trace. Questions without an answer in time keep
 * ANSWER_NONE. false: nothing could be asked, because root hints, trust anchor or resolver are
 * unusable. libunbound logs through a global: one call at a time in a process.
 */
bool resolve_all(const struct resolve_options *o, const char *domain, struct resolve_question *list,
                 size_t count, struct resolve_outcome *out, struct fault *f);

/* Reads the files that o names and checks that they hold what they should. */
bool resolve_files_valid(const char *root_hints, const char *trust_anchor, struct fault *f);

#endif
