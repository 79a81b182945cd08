/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits to be sent to one session. Control goes first, then disco, then everything else. As
 * long as the line takes what comes, everything else leaves in the order in which it came. When it
 * does not, so that something has been waiting for OUTBOX_CONGESTED_MS without a break, the outbox
 * is congested until it is empty: then what waits is a backlog (derp/relay/backlog.h), in which
 * small packets overtake large ones, sources take turns, and what has waited for too long is
 * dropped. The packets of one source to one session keep their order within disco, and, while
 * congested, within small and within large ones.
 *
 * Bounded in bytes as well: when a packet does not fit, older ones are dropped (a slow receiver
 * gets fresh packets late rather than stale ones, and never blocks a sender).
 */
#ifndef DERP_RELAY_OUTBOX_H
#define DERP_RELAY_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "derp/relay/backlog.h"
#include "derp/relay/packet.h"

#define OUTBOX_CONGESTED_MS 5

/* Most bytes that may wait of a kind. */
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
    struct outbox_lane lanes[PACKET_KINDS]; /* by packet_kind; PACKET_OTHER: not congested */
    struct backlog *backlog;                /* congested: the place of PACKET_OTHER; else NULL */
    struct packet *current;                 /* partly written: finishes before anything else */
    size_t written;                         /* bytes of current already taken */
    int64_t since_ms;                       /* since when something has been waiting */
    const struct outbox_limits *limits;     /* NULL: a client's */
};

/* What every call needs of its surroundings. */
struct outbox_tools {
    struct packet_pool *pool; /* the calling worker's */
    int64_t now_ms;           /* monotonic */
    bool keep_late;           /* nothing is dropped for having waited too long */
    packet_drop drop;         /* told of every packet that is dropped; may be NULL */
    void (*took)(void *arg, int64_t waited_ms); /* told of PACKET_OTHER that are sent; or NULL */
    void *arg;                                  /* for both */
};

/*
 * Takes over p. Older packets are dropped to make room. False when a control packet does not fit:
 * the session must be closed (p is freed).
 */
bool outbox_push(struct outbox *o, struct packet *p, const struct outbox_tools *t);

enum outbox_class {
    OUTBOX_ALL,
    OUTBOX_URGENT, /* control, disco, and small packets; and the rest of a frame that is begun */
};

/* Moves up to room bytes of the byte stream to out, and begins no frame once there are goal bytes;
 * frames may be cut anywhere. Whole frames are preferred: a frame that does not fit begins only in
 * an empty out. Returns the bytes moved. */
size_t outbox_fill(struct outbox *o, uint8_t *out, size_t room, size_t goal,
                   enum outbox_class class, const struct outbox_tools *t);

bool outbox_empty(const struct outbox *o);
/* Bytes that wait, without the frame that is partly written. */
size_t outbox_bytes(const struct outbox *o);
/* Is there something for OUTBOX_URGENT? */
bool outbox_has_urgent(const struct outbox *o);

/* Frees all; told to drop, control packets too. */
void outbox_clear(struct outbox *o, const struct outbox_tools *t);

#endif
