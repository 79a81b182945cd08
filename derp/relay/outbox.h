/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits to be sent to one session. Three lanes, served in this order: control, disco,
 * everything else; each first in, first out, so the packets of one source keep their order within
 * a lane. Bounded in bytes: when a packet does not fit, the oldest of its lane are dropped
 * (a slow receiver gets fresh packets late rather than stale ones, and never blocks a sender).
 */
#ifndef DERP_RELAY_OUTBOX_H
#define DERP_RELAY_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "derp/relay/packet.h"

/* Most bytes that may wait in a lane. */
struct outbox_limits {
    size_t lanes[PACKET_KINDS]; /* by packet_kind */
};
extern const struct outbox_limits outbox_client_limits;
/* For other relays, who get the packets, and the comings and goings, of many clients. */
extern const struct outbox_limits outbox_mesh_limits;

struct outbox_lane {
    struct packet *head;
    struct packet *tail;
    size_t bytes; /* waiting in it */
};

struct outbox {
    struct outbox_lane lanes[PACKET_KINDS]; /* by packet_kind */
    struct packet *current;                 /* partly written: finishes before anything else */
    size_t written;                         /* bytes of current already taken */
    const struct outbox_limits *limits;     /* NULL: a client's */
};

/* Told of every packet that is dropped; must not free it. */
typedef void (*outbox_drop)(void *arg, const struct packet *p);

/*
 * Takes over p. Older packets of the lane are dropped to make room, each told to drop (may be
 * NULL). False when a control packet does not fit: the session must be closed (p is freed).
 */
bool outbox_push(struct outbox *o, struct packet_pool *pool, struct packet *p, outbox_drop drop,
                 void *arg);

/* Moves up to room bytes of the byte stream to out; frames may be cut anywhere. Whole frames are
 * preferred: a frame that does not fit begins only in an empty out. Returns the bytes moved. */
size_t outbox_fill(struct outbox *o, struct packet_pool *pool, uint8_t *out, size_t room);

bool outbox_empty(const struct outbox *o);
size_t outbox_bytes(const struct outbox *o);

/* Frees all; told to drop (may be NULL), control packets too. */
void outbox_clear(struct outbox *o, struct packet_pool *pool, outbox_drop drop, void *arg);

#endif
