/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls back in time, to microseconds, in one of two ways. Either it spins: the loop never sleeps,
 * and neither does what the relay sends it ever have to wake it; on a loopback interface that
 * waking would be the relay's own CPU time, which on a real line it is not. Or it sleeps on a
 * timer, for loads that share a core.
 */
#ifndef TESTS_BENCH_LOAD_TICKER_H
#define TESTS_BENCH_LOAD_TICKER_H

#include <stdbool.h>
#include <stdint.h>

#include "derp/net/loop.h"

struct ticker {
    struct loop_io io;
    int fd;
    bool spins;
    void (*fn)(void *arg);
    void *arg;
};

void ticker_init(struct ticker *t, struct loop *loop, bool spins, void (*fn)(void *arg), void *arg);
/* Calls fn once at that time of CLOCK_MONOTONIC, or at once when it has passed. When it spins fn is
 * called in every turn of the loop from now on, whatever the time. */
void ticker_at(struct ticker *t, int64_t ns);
void ticker_stop(struct ticker *t);

#endif
