/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame on its way to a session: written once, by the sender's worker, and owned by whoever
 * holds it (a mailbox, an outbox). Freed packets of common sizes are kept by the freeing worker.
 */
#ifndef DERP_RELAY_PACKET_H
#define DERP_RELAY_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "derp/relay/handle.h"

/* What a message between workers is; see worker.c. */
enum mail_kind {
    MAIL_PACKET,    /* struct packet for the session or link `to` */
    MAIL_ACCEPT,    /* a new connection */
    MAIL_CONTEXT,   /* a new TLS context */
    MAIL_VERDICT,   /* admission's answer about the session `to` */
    MAIL_ROLL,      /* list the worker's clients */
    MAIL_CALL,      /* run a function on the worker's thread */
    MAIL_CLOSE,     /* close the session `to`: a mesh peer wants it */
    MAIL_LINK,      /* start or end a link to another relay */
    MAIL_ADDRESSES, /* of the node of the link `to` */
};

struct mail {
    struct mail *next;
    handle_t to;
    enum mail_kind kind;
};

/* The kind decides lane, drop order and the statistics. */
enum packet_kind {
    PACKET_DISCO, /* Tailscale's path discovery: the broker's work */
    PACKET_OTHER, /* relayed traffic */
    PACKET_CONTROL,
    PACKET_KINDS
};

struct packet {
    struct mail mail;
    int64_t since_ms; /* when it came, by the monotonic clock; of PACKET_OTHER */
    uint32_t len;     /* of data */
    uint32_t cap;
    enum packet_kind kind;
    uint8_t data[]; /* a whole frame, header included (or raw HTTP bytes) */
};

struct packet_pool;
struct packet_pool *packet_pool_new(void);
void packet_pool_free(struct packet_pool *pool);

/* A packet with room for len bytes, len already set. pool: the calling worker's. */
struct packet *packet_new(struct packet_pool *pool, size_t len, enum packet_kind kind);
/* Gives it back; pool: the calling worker's, not necessarily where it came from. NULL: no-op. */
void packet_free(struct packet_pool *pool, struct packet *p);

#endif
