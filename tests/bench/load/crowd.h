/* SPDX-License-Identifier: Apache-2.0 */
/* The clients: they log in, a few at a time, and come back when the relay closes them. */
#ifndef TESTS_BENCH_LOAD_CROWD_H
#define TESTS_BENCH_LOAD_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "derp/client/client.h"
#include "tests/bench/load/plan.h"

struct crowd;

struct crowd_events {
    void (*on_all_ready)(void *arg); /* once */
    void (*on_packet)(void *arg, const uint8_t *data, size_t len);
    void *arg;
};

struct crowd_counts {
    unsigned logins;  /* that succeeded */
    unsigned failed;  /* that did not */
    unsigned closed;  /* connections that the relay has ended */
    char reason[512]; /* of the last one that failed or was closed */
};

/* NULL with a reason when the CA cannot be read. Begins with the logins at once. */
struct crowd *crowd_new(const struct plan *p, struct loop *loop, const struct crowd_events *events,
                        struct fault *f);
void crowd_free(struct crowd *c);

/* The connection of a client; NULL while it has none that is logged in. */
struct derp_client *crowd_client(struct crowd *c, unsigned number);

/* Queues a packet of a client that is logged in; crowd_flush sends what is queued, each packet in a
 * TLS record of its own but as many as fit in one write. False when too much waits. */
bool crowd_queue(struct crowd *c, unsigned number, const struct node_key *dst, const void *packet,
                 size_t len);
void crowd_flush(struct crowd *c, unsigned number);

/* The key of any client, also of those of another plan. */
void crowd_key(unsigned number, struct node_key *key);

const struct crowd_counts *crowd_counts(const struct crowd *c);

#endif
