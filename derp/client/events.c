/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/client/events.h"

#include "base/text.h"

#define HEALTH_MAX 512 /* characters shown of a server's words */

static void tell_packet(const struct frame *frame, const struct derp_client_events *events,
                        void *owner)
{
    struct node_key src;
    const uint8_t *packet;
    size_t len;

    if (frame_read_recv_packet(frame, &src, &packet, &len) && events->on_packet)
        events->on_packet(owner, &src, packet, len);
}

static void tell_peer_gone(const struct frame *frame, const struct derp_client_events *events,
                           void *owner)
{
    struct node_key peer;
    uint8_t reason;

    if (frame_read_peer_gone(frame, &peer, &reason) && events->on_peer_gone)
        events->on_peer_gone(owner, &peer, reason);
}

static void tell_peer_present(const struct frame *frame, const struct derp_client_events *events,
                              void *owner)
{
    struct peer_present peer;

    if (frame_read_peer_present(frame, &peer) && events->on_peer_present)
        events->on_peer_present(owner, &peer);
}

static void tell_health(const struct frame *frame, const struct derp_client_events *events,
                        void *owner)
{
    char words[HEALTH_MAX];

    if (!events->on_health)
        return;
    text_printable(frame->payload, frame->len, words, sizeof(words));
    events->on_health(owner, words);
}

static void tell_restarting(const struct frame *frame, const struct derp_client_events *events,
                            void *owner)
{
    uint32_t reconnect_in_ms;
    uint32_t try_for_ms;

    if (frame_read_restarting(frame, &reconnect_in_ms, &try_for_ms) && events->on_restarting)
        events->on_restarting(owner, reconnect_in_ms, try_for_ms);
}

static bool answer_ping(const struct frame *frame, struct buf *out)
{
    uint8_t data[8];
    uint8_t pong[FRAME_PONG_LEN];

    if (!frame_read_ping(frame, data))
        return false;
    frame_write_pong(pong, data);
    return buf_append(out, pong, sizeof(pong));
}

bool derp_client_dispatch(const struct frame *frame, const struct derp_client_events *events,
                          void *owner, struct buf *out)
{
    uint8_t data[8];

    switch (frame->type) {
    case FRAME_RECV_PACKET:
        tell_packet(frame, events, owner);
        break;
    case FRAME_PEER_GONE:
        tell_peer_gone(frame, events, owner);
        break;
    case FRAME_PEER_PRESENT:
        tell_peer_present(frame, events, owner);
        break;
    case FRAME_PING:
        return answer_ping(frame, out);
    case FRAME_PONG:
        if (frame_read_ping(frame, data) && events->on_pong)
            events->on_pong(owner, data);
        break;
    case FRAME_HEALTH:
        tell_health(frame, events, owner);
        break;
    case FRAME_RESTARTING:
        tell_restarting(frame, events, owner);
        break;
    default:
        break;
    }
    return false;
}
