/* SPDX-License-Identifier: Apache-2.0 */
/* A timer of a loop that keeps time to microseconds. */
#ifndef TESTS_BENCH_LOAD_TICKER_H
#define TESTS_BENCH_LOAD_TICKER_H

#include <stdint.h>

#include "derp/net/loop.h"

struct ticker {
    struct loop_io io;
    int fd;
    void (*fn)(void *arg);
    void *arg;
};

void ticker_init(struct ticker *t, struct loop *loop, void (*fn)(void *arg), void *arg);
/* Calls fn once, at that time of CLOCK_MONOTONIC, or at once when it has passed. */
void ticker_at(struct ticker *t, int64_t ns);
void ticker_stop(struct ticker *t);

#endif
