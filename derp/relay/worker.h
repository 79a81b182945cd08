/* SPDX-License-Identifier: Apache-2.0 */
/* Life of a worker thread, for relay.c. */
#ifndef DERP_RELAY_WORKER_H
#define DERP_RELAY_WORKER_H

#include "derp/relay/internal.h"

/* Makes loop, sockets and mailbox; the thread does not run yet. worker_destroy in any case. */
bool worker_init(struct worker *w, struct relay *r, unsigned index, const struct relay_options *opt,
                 struct fault *f);
bool worker_start(struct worker *w, struct fault *f);

/* On the worker's thread: finish all sessions within the bound of relay_drain, then end the loop.
 */
void worker_drain(struct worker *w, void *unused);
/* On the worker's thread: close everything and end the loop now. */
void worker_stop(struct worker *w, void *unused);

/* On the worker's thread: ask admission again about everyone who is logged in. */
void worker_recheck(struct worker *w, void *unused);
/* On the worker's thread: do the same now and then, about each once in relay.patrol_ms; 0: not. */
void worker_set_patrol(struct worker *w, void *unused);

/* After the thread has been joined (or was never started). */
void worker_destroy(struct worker *w);

static inline void count_turn(struct worker *w)
{
    uint64_t v = atomic_load_explicit(&w->turns, memory_order_relaxed);
    atomic_store_explicit(&w->turns, v + 1, memory_order_relaxed);
}

#endif
