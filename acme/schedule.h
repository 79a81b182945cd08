/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pure: when a certificate is to be renewed, and when to try again after a failure.
 * All times are of the wall clock, in seconds since 1970; durations are seconds.
 */
#ifndef ACME_SCHEDULE_H
#define ACME_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "acme/failure.h"

/* The longest wait that a CA's Retry-After can ask for; also the latest possible next try: a
 * stored one further ahead was written under a wrong clock. */
#define SCHEDULE_WAIT_MAX (48 * 3600)

/* From when a certificate is renewed: a third of its lifetime is left, half below ten days. */
time_t schedule_renew_at(time_t not_before, time_t not_after);

/*
 * How long to wait after the failures-th (1, 2, …) failure in a row. remaining is what is left of
 * the certificate in use, 0 or less without one. The wait grows with the failures, stays below
 * min(24 h, remaining / 8) while there is a certificate to lose, but never goes below what keeps
 * the CA's limits (5 failed validations an hour), nor below retry_after (at most
 * SCHEDULE_WAIT_MAX). random spreads it over the last quarter: many servers fail together.
 */
int64_t schedule_delay(enum failure_class class, unsigned failures, int64_t remaining,
                       int64_t retry_after, uint32_t random);

/* What is known when a run begins. */
struct schedule_facts {
    time_t now;
    bool forced;  /* a new certificate is wanted whatever the old one is good for */
    bool at_once; /* the stored next try does not count: a person asks */
    bool usable;  /* the installed certificate fits key, name and CA and is not revoked */
    time_t not_before, not_after; /* of the installed certificate, when usable */
    bool open;                    /* an order is under way */
    time_t next_try;              /* stored after a failure, 0: none */
};

enum schedule_answer {
    SCHEDULE_GOOD,    /* nothing to do: certificate is good, not yet to be renewed */
    SCHEDULE_WAIT,    /* something to do, but not before next_try */
    SCHEDULE_RESUME,  /* go on with the order under way */
    SCHEDULE_FORCED,  /* order, because it was asked for */
    SCHEDULE_MISSING, /* order: there is no usable certificate */
    SCHEDULE_EXPIRED, /* order: it has expired */
    SCHEDULE_DUE,     /* order: time to renew */
};

enum schedule_answer schedule_decide(const struct schedule_facts *facts);

/* The answer in words, for logs and `status`. */
const char *schedule_words(enum schedule_answer answer);

#endif
