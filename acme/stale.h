/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pure: TXT records that dns-01 has presented and the hook has failed to take away. They are kept
 * in the state, tried again by later runs, ever more seldom, and given up after STALE_TRIES; then
 * `status` tells that a person has to remove them.
 */
#ifndef ACME_STALE_H
#define ACME_STALE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "acme/state.h"

#define STALE_TRIES 20 /* about two weeks */

/* The record of dns-01 in the state (hook_name, hook_value) becomes a stale one, after a first try
 * that failed. When there is no room the one that was tried most goes; it is copied into lost
 * (stale_free), or lost is empty. */
void stale_add(struct state *s, time_t now, struct stale *lost);

/* The index of the first one that is due, from `from` on; STATE_STALE: none. With all also those
 * that wait or are given up. */
size_t stale_due(const struct state *s, size_t from, time_t now, bool all);

/* It could not be taken away again: notes when to try next. True when it is given up by this. */
bool stale_failed(struct state *s, size_t i, time_t now);

/* It is gone. */
void stale_done(struct state *s, size_t i);

/* Has it been given up? */
bool stale_given_up(const struct stale *r);

void stale_free(struct stale *r);

#endif
