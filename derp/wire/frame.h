/* SPDX-License-Identifier: Apache-2.0 */
/* DERP frames: one type byte, four length bytes (big-endian), payload. Pure. Frame names and
 * numbers are Tailscale's (derp/derp.go). */
#ifndef DERP_WIRE_FRAME_H
#define DERP_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "derp/wire/key.h"

enum frame_type {
    FRAME_SERVER_KEY = 0x01,
    FRAME_CLIENT_INFO = 0x02,
    FRAME_SERVER_INFO = 0x03,
    FRAME_SEND_PACKET = 0x04,
    FRAME_RECV_PACKET = 0x05,
    FRAME_KEEP_ALIVE = 0x06,
    FRAME_NOTE_PREFERRED = 0x07,
    FRAME_PEER_GONE = 0x08,
    FRAME_PEER_PRESENT = 0x09,
    FRAME_FORWARD_PACKET = 0x0a,
    FRAME_WATCH_CONNS = 0x10,
    FRAME_CLOSE_PEER = 0x11,
    FRAME_PING = 0x12,
    FRAME_PONG = 0x13,
    FRAME_HEALTH = 0x14,
    FRAME_RESTARTING = 0x15,
};

enum peer_gone_reason { PEER_GONE_DISCONNECTED = 0, PEER_GONE_NOT_HERE = 1 };

/* Flags of PeerPresent (derp/derp.go: PeerPresentFlags). */
enum peer_present_flags {
    PEER_PRESENT_REGULAR = 1, /* none of the others */
    PEER_PRESENT_MESH = 2,
    PEER_PRESENT_PROBER = 4,
    PEER_PRESENT_NOT_IDEAL = 8, /* not on the node of the region that it would prefer */
};

#define FRAME_HEADER_LEN   5
#define FRAME_PACKET_MAX   65536                        /* one relayed packet */
#define FRAME_UNKNOWN_MAX  (FRAME_PACKET_MAX + KEY_LEN) /* longest payload that is read over */
#define FRAME_APP_NAME_MAX 32                           /* name of a client's application */

/* The payload points into the bytes given to frame_decode. */
struct frame {
    uint8_t type;
    size_t len; /* of the payload */
    const uint8_t *payload;
};

enum frame_result {
    FRAME_OK,         /* *frame is whole; *used bytes are consumed */
    FRAME_INCOMPLETE, /* more bytes are needed; nothing is consumed */
    FRAME_TOO_LONG,   /* the header announces more than limit allows for its type */
};

/*
 * Reads one frame from src[0..n). The announced length is judged by
 * frame_limit(type) before it is waited for. *need (if given) gets the whole size of the frame,
 * header included, once its header is there, FRAME_HEADER_LEN before.
 */
enum frame_result frame_decode(const uint8_t *src, size_t n, struct frame *frame, size_t *used,
                               size_t *need);

/* The header alone: false with fewer than FRAME_HEADER_LEN bytes. Lets a login refuse a wrong
 * first frame before its payload is waited for. */
bool frame_peek(const uint8_t *src, size_t n, uint8_t *type, size_t *len);

/* Longest payload accepted from a client for a type (known: its exact bound, derper's).
 * ClientInfo has the bound of the login; a later one is read over up to FRAME_UNKNOWN_MAX. */
size_t frame_limit(uint8_t type);

/* Writes the 5 header bytes. */
void frame_put_header(uint8_t out[static FRAME_HEADER_LEN], enum frame_type type, size_t len);

/* Views into a decoded frame; false when its length is wrong for the type. */
bool frame_read_send_packet(const struct frame *f, struct node_key *dst, const uint8_t **packet,
                            size_t *len);
bool frame_read_note_preferred(const struct frame *f, bool *home);
bool frame_read_ping(const struct frame *f, uint8_t data[static 8]); /* Pong too */

/* Frames of mesh peers. A ForwardPacket from a key of zeros is refused: its packet would reach the
 * client without a sender. */
bool frame_read_forward_packet(const struct frame *f, struct node_key *src, struct node_key *dst,
                               const uint8_t **packet, size_t *len);
bool frame_read_close_peer(const struct frame *f, struct node_key *key);

/* Client side. A PeerGone without a reason (older servers) means disconnected. */
bool frame_read_recv_packet(const struct frame *f, struct node_key *src, const uint8_t **packet,
                            size_t *len);
bool frame_read_peer_gone(const struct frame *f, struct node_key *key, uint8_t *reason);
bool frame_read_restarting(const struct frame *f, uint32_t *reconnect_in_ms, uint32_t *try_for_ms);

/* Who has come to a relay of the region, as told to those who watch it. */
struct peer_present {
    struct node_key key;
    uint8_t address[16]; /* IPv4 as v4-mapped; zeros: not told */
    uint16_t port;
    uint8_t flags;                         /* enum peer_present_flags, or later ones */
    char app_name[FRAME_APP_NAME_MAX + 1]; /* printable ASCII, or empty */
};
/* Older relays send less (the key alone at first), later ones may send more: what is missing is
 * zero, what is too much is read over. An app name that is not printable ASCII counts as none. */
bool frame_read_peer_present(const struct frame *f, struct peer_present *p);

/* A whole frame each, header included, into out; the size is the constant's. */
#define FRAME_PEER_GONE_LEN  (FRAME_HEADER_LEN + KEY_LEN + 1)
#define FRAME_PONG_LEN       (FRAME_HEADER_LEN + 8)
#define FRAME_RESTARTING_LEN (FRAME_HEADER_LEN + 8)
#define FRAME_CLOSE_PEER_LEN (FRAME_HEADER_LEN + KEY_LEN)
#define FRAME_WATCH_LEN      FRAME_HEADER_LEN
/* The longest PeerPresent; what is written is as long as its app name wants. */
#define FRAME_PEER_PRESENT_MAX (FRAME_HEADER_LEN + KEY_LEN + 16 + 2 + 1 + 1 + FRAME_APP_NAME_MAX)
void frame_write_peer_gone(uint8_t out[static FRAME_PEER_GONE_LEN], const struct node_key *key,
                           enum peer_gone_reason reason);
void frame_write_pong(uint8_t out[static FRAME_PONG_LEN], const uint8_t data[static 8]);
/* Health: at most FRAME_HEALTH_TEXT bytes of text, "" when all is well again. Returns the size. */
#define FRAME_HEALTH_TEXT 250
#define FRAME_HEALTH_MAX  (FRAME_HEADER_LEN + FRAME_HEALTH_TEXT)
size_t frame_write_health(uint8_t out[static FRAME_HEALTH_MAX], const char *text);
void frame_write_restarting(uint8_t out[static FRAME_RESTARTING_LEN], uint32_t reconnect_in_ms,
                            uint32_t try_for_ms);
void frame_write_close_peer(uint8_t out[static FRAME_CLOSE_PEER_LEN], const struct node_key *key);
void frame_write_watch(uint8_t out[static FRAME_WATCH_LEN]);
/* Returns the frame's size. */
size_t frame_write_peer_present(uint8_t out[static FRAME_PEER_PRESENT_MAX],
                                const struct peer_present *p);

/* Does a packet look like Tailscale's disco (magic 54 53 f0 9f 92 ac, at least 62 bytes)? */
bool packet_is_disco(const uint8_t *packet, size_t len);

#endif
