/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packets that wait for a receiver whose line takes less than comes for it. They are in two
 * classes: small ones (a keystroke, an acknowledgement, voice) go before large ones, also those of
 * the same pair, as WireGuard allows; but large ones keep a share. Within a class the sources take
 * turns by bytes (deficit round robin, Shreedhar and Varghese 1995), and each source's queue is
 * kept short in time by CoDel (RFC 8289), so that what arrives is fresh and the senders inside the
 * tunnel notice soon that the line is full. Pure: time is an argument.
 */
#ifndef DERP_RELAY_BACKLOG_H
#define DERP_RELAY_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "derp/relay/packet.h"

#define BACKLOG_SMALL       (256 + 64) /* a frame up to this length is small, its keys included */
#define BACKLOG_TARGET_MS   50         /* what a queue may stand at without being shortened */
#define BACKLOG_INTERVAL_MS 200        /* for how long it may stand above that */
#define BACKLOG_MAX_MS      500 /* what is older is dropped: CoDel alone needs senders that react */

struct backlog;

enum packet_fate {
    PACKET_NO_ROOM, /* dropped for newer ones: too many bytes wait */
    PACKET_LATE,    /* dropped by CoDel */
    PACKET_LEFT,    /* its session has ended */
};

/* Told of every packet that is dropped; must not free it. */
typedef void (*packet_drop)(void *arg, const struct packet *p, enum packet_fate why);

/* keep_late: CoDel drops nothing (for tests). */
struct backlog *backlog_new(bool keep_late);
/* What it still holds must have been taken out. NULL: no-op. */
void backlog_free(struct backlog *b);

/* Takes over p, a RecvPacket or ForwardPacket that has been waiting since p->since_ms. */
void backlog_push(struct backlog *b, struct packet *p);

/*
 * The packet to be sent next, NULL when there is none, or when urgent_only and none is small. It
 * becomes the caller's. Packets that have waited for too long are dropped on the way, each told to
 * drop (may be NULL) and given back to the pool.
 */
struct packet *backlog_pop(struct backlog *b, int64_t now_ms, bool urgent_only,
                           struct packet_pool *pool, packet_drop drop, void *arg);

/* Takes the oldest packet of the source that has most waiting, large ones first: to make room.
 * NULL when empty. It becomes the caller's. */
struct packet *backlog_shed(struct backlog *b);

size_t backlog_bytes(const struct backlog *b);
size_t backlog_small_bytes(const struct backlog *b);

#endif
