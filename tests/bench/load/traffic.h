/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets, sent when they are due whatever the relay does (an open loop), and what becomes of
 * them. Delay is counted from when a packet was due, so that time before a blocked socket counts,
 * too; what could not be sent by the end is lost.
 */
#ifndef TESTS_BENCH_LOAD_TRAFFIC_H
#define TESTS_BENCH_LOAD_TRAFFIC_H

#include <stddef.h>
#include <stdint.h>

#include "derp/net/loop.h"
#include "tests/bench/load/crowd.h"
#include "tests/bench/load/histogram.h"
#include "tests/bench/load/plan.h"

struct traffic;

/* What became of a group's packets that were due within the window. */
struct traffic_result {
    uint64_t due, sent, received;
    uint64_t arrived, arrived_bytes; /* within the window, whenever they were due */
    uint64_t reordered;              /* or twice */
    struct histogram delay;          /* microseconds */
};

struct traffic *traffic_new(const struct plan *p, struct crowd *crowd, struct loop *loop);
void traffic_free(struct traffic *t);

/* Begins; the window is from begin_ns to end_ns, after which nothing is due any more. */
void traffic_start(struct traffic *t, int64_t now_ns, int64_t begin_ns, int64_t end_ns);
/* Sends nothing more; what was due in the window and has not been sent counts as lost. */
void traffic_stop(struct traffic *t);

/* A packet that has come. */
void traffic_take(struct traffic *t, const uint8_t *data, size_t len);

const struct traffic_result *traffic_result(const struct traffic *t, size_t group);
/* Bytes that each pair of the group got within the window: pair_count of them. */
const uint64_t *traffic_pair_bytes(const struct traffic *t, size_t group);
/* Time of the window in which packets were handled; the rest was spent in waiting. Known when the
 * plan says spin only. */
int64_t traffic_busy_ns(const struct traffic *t);
/* Packets that were not what somebody here has sent. */
uint64_t traffic_corrupt(const struct traffic *t);

#endif
