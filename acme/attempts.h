/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pure: what came of the attempts at each CA, kept in the state: failures by class, so that each
 * class has its own schedule; when the next try is due there; whether it gives another certificate.
 */
#ifndef ACME_ATTEMPTS_H
#define ACME_ATTEMPTS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "acme/failure.h"
#include "acme/state.h"

/* The record of a directory, made when there is none: the place of the CA that was used least
 * recently is taken. */
struct ca_record *attempts_of(struct state *s, const char *directory);

/* The same, NULL when there is none. */
const struct ca_record *attempts_find(const struct state *s, const char *directory);

/*
 * Notes a failure at a CA and when to try there again (schedule_delay), and makes it the last
 * failure, which people are told. remaining is what is left of the certificate in use in seconds,
 * negative: so long ago it has expired, 0: there is none.
 */
void attempts_failed(struct state *s, const char *directory, const struct failure *fail, time_t now,
                     int64_t remaining, uint32_t random);

/* The same for something that is no attempt at a certificate: it does not become the last failure.
 */
void attempts_put_off(struct state *s, const char *directory, const struct failure *fail,
                      time_t now, int64_t remaining);

/* A CA that has answered something else than an order with Retry-After is left in peace for so
 * long, as schedule_delay bounds it; its failures are not counted. */
void attempts_heed(struct state *s, const char *directory, const struct failure *fail, time_t now,
                   int64_t remaining);

/* This CA has issued a certificate for a name that counts for its limits, whatever becomes of it.
 */
void attempts_issued(struct state *s, const char *directory, const char *name, time_t now);

/*
 * An attempt begins: true, and one of the timer's is counted as one whose end is not noted yet.
 * false: several of them in a row were (a disk that takes the beginning and not the end, a crash),
 * and this one comes too soon, up to an hour, after the last. attempts_failed and
 * attempts_succeeded note the end.
 */
bool attempts_begin(struct state *s, bool by_timer, time_t now);

/* A certificate of this CA is in place: no CA counts as failing any more. Another one that has
 * asked to be left in peace still is. */
void attempts_succeeded(struct state *s, const char *directory);

/* The clock is right again: what a wrong one has made us note is no failure in a row any more, once
 * its next try is due. True when something was taken back. */
bool attempts_forgive_clock(struct state *s, time_t now);

/*
 * When this CA may be tried again, 0: at once. A stored time counts for nothing when it was
 * written later than now, or lies further ahead than its class can have asked for: then a clock
 * was or is wrong. r may be NULL.
 */
time_t attempts_next_try(const struct ca_record *r, time_t now);

/*
 * From when this CA gives another certificate for exactly this name, 0: now. Let's Encrypt gives
 * five, and another each 33.6 hours (five in seven days). Its other limits are wider (50 in seven
 * days for the registered domain, which others share; 300 orders in three hours) and heard of from
 * the CA itself. Certificates that live for less than six days come from a CA with other limits.
 */
time_t attempts_room(const struct ca_record *r, const char *name, int64_t lifetime, time_t now);

/* Failures in a row that another CA might not have: all but those of our own side. With emergency
 * those of validations and of our own checks count too: another CA looks from elsewhere, and CAA
 * records may permit it. r may be NULL. */
unsigned attempts_curable(const struct ca_record *r, bool emergency);

#endif
