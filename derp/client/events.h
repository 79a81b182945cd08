/* SPDX-License-Identifier: Apache-2.0 */
/* What an open DERP connection tells its owner, and the frames that say it. Pure. */
#ifndef DERP_CLIENT_EVENTS_H
#define DERP_CLIENT_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "derp/wire/frame.h"
#include "derp/wire/key.h"

/* Any of them may be NULL. Data is valid during the call. */
struct derp_client_events {
    /* Logged in: packets may be sent. */
    void (*on_ready)(void *owner);
    void (*on_packet)(void *owner, const struct node_key *src, const uint8_t *data, size_t len);
    /* reason: enum peer_gone_reason, or a later one. */
    void (*on_peer_gone)(void *owner, const struct node_key *peer, uint8_t reason);
    /* A client has come to the relay that is watched (derp_client_watch). */
    void (*on_peer_present)(void *owner, const struct peer_present *peer);
    void (*on_pong)(void *owner, const uint8_t data[static 8]);
    /* The server's words about this connection, made printable; "": healthy again. */
    void (*on_health)(void *owner, const char *problem);
    /* Advice of a server that goes away: reconnect after / give up after so many milliseconds. */
    void (*on_restarting)(void *owner, uint32_t reconnect_in_ms, uint32_t try_for_ms);
    /* Writes up to room bytes of whole or cut frames into out, and returns how many: for owners
     * with a queue of their own (see derp_client_flush). rest_only: frames of ours wait to be sent
     * between theirs, so only the rest of one that is cut is wanted; 0 when none is. */
    size_t (*on_fill)(void *owner, uint8_t *out, size_t room, bool rest_only);
    /* The queue ran empty while the kernel still takes more; what is sent in it goes out too. */
    void (*on_drained)(void *owner);
    /* Last call; the client is gone when it returns. reason: words, never empty. */
    void (*on_closed)(void *owner, const char *reason);
};

/*
 * Calls what a frame from the server means. A Ping is answered by a Pong appended to out (dropped
 * when out is full, as servers do). Unknown and malformed frames are ignored, as Tailscale's
 * client does. Returns true when something was appended.
 */
bool derp_client_dispatch(const struct frame *frame, const struct derp_client_events *events,
                          void *owner, struct buf *out);

#endif
