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

/* The longest wait that a CA's Retry-After can ask for. */
#define SCHEDULE_WAIT_MAX (48 * 3600)

/* How far apart two runs of the hourly timer can be: an hour, and its spread. */
#define SCHEDULE_TICK (65 * 60)

/* The latest moment for a renewal whatever the CA suggests: a third of its lifetime is left, half
 * below ten days. */
time_t schedule_renew_at(time_t not_before, time_t not_after);

/* From when it counts as an emergency (a tenth is left): the CA's suggestion and trials are not
 * waited for, and a second CA is taken at the first failure. */
time_t schedule_emergency_at(time_t not_before, time_t not_after);

/*
 * How long to wait after the failures-th (1, 2, …) failure of a class in a row. remaining is what
 * is left of the certificate in use; negative: so long ago it has expired; 0: there is none. The
 * wait grows with the failures, stays below min(24 h, remaining / 20) while there is a certificate
 * to lose and below an hour at first when it is lost, but never goes below what keeps the CA's
 * limits (5 failed validations an hour), nor below retry_after within reason: at most
 * schedule_longest, and a CA that is merely overloaded cannot ask for more than a twentieth of what
 * is left, or an hour. random spreads it over the last quarter: many servers fail together.
 */
int64_t schedule_delay(enum failure_class class, unsigned failures, int64_t remaining,
                       int64_t retry_after, uint32_t random);

/* What of a CA's Retry-After counts after a failure of a class: schedule_delay never waits less. */
int64_t schedule_heed(enum failure_class class, int64_t remaining, int64_t retry_after);

/* The longest wait that schedule_delay gives for a class. */
int64_t schedule_longest(enum failure_class class);

enum schedule_clock {
    SCHEDULE_CLOCK_FINE,
    SCHEDULE_CLOCK_WRONG, /* before this program was built: provably wrong */
    SCHEDULE_CLOCK_BACK,  /* more than a day before a time that was seen already: one was wrong */
};

/* Judges the wall clock by when the program was built and the latest time that was seen (0: none).
 */
enum schedule_clock schedule_clock(time_t now, time_t build, time_t last_seen);

/* What is known when a run begins. */
struct schedule_facts {
    time_t now;
    bool forced;  /* a new certificate is wanted whatever the old one is good for */
    bool at_once; /* the stored next try does not count: a person asks */
    bool usable;  /* the installed certificate fits key, name and CA and is not revoked */
    time_t not_before, not_after; /* of the installed certificate, when usable */
    bool open;                    /* an order is under way */
    time_t next_try;              /* not before this, 0: none (attempts_next_try) */
    time_t ari_start, ari_end;    /* the window that the CA suggests, 0: none known, and */
    time_t ari_pick;              /* the moment in it (ari.h), 0: it does not count */
};

/*
 * When the certificate is to be renewed: the moment that was picked in the CA's window, or
 * schedule_renew_at without one. A window that begins after schedule_renew_at does not count; one
 * that covers it may move the renewal past it by a twentieth of the lifetime at most.
 */
time_t schedule_due_at(const struct schedule_facts *facts);

/*
 * What is left to act in, of remaining: a window of the CA that ended before renewal would have
 * been due (schedule_renew_at) says that the certificate will be revoked, and not when: within a
 * day or five (CA/Browser Forum's Baseline Requirements 4.9.1.1).
 */
int64_t schedule_left(const struct schedule_facts *facts, int64_t remaining);

enum schedule_answer {
    SCHEDULE_GOOD,      /* nothing to do: certificate is good, not yet to be renewed */
    SCHEDULE_WAIT,      /* something to do, but not before next_try */
    SCHEDULE_RESUME,    /* go on with the order under way */
    SCHEDULE_FORCED,    /* order, because it was asked for */
    SCHEDULE_MISSING,   /* order: there is no usable certificate */
    SCHEDULE_EXPIRED,   /* order: it has expired */
    SCHEDULE_DUE,       /* order: time to renew */
    SCHEDULE_ARI,       /* order: the moment that the CA suggests has come, or comes before the next
                           run of the timer */
    SCHEDULE_EMERGENCY, /* order: it ends soon */
};

enum schedule_answer schedule_decide(const struct schedule_facts *facts);

/* The answer in words, for logs and `status`. */
const char *schedule_words(enum schedule_answer answer);

#endif
