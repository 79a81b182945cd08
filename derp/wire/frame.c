/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/frame.h"

#include <assert.h>
#include <string.h>

#define CLIENT_INFO_MAX (256 * 1024)
#define PING_MAX        1000
#define DISCO_MIN       62 /* magic, sender's key, nonce */

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

size_t frame_limit(uint8_t type)
{
    switch (type) {
    case FRAME_CLIENT_INFO:
        return CLIENT_INFO_MAX;
    case FRAME_SEND_PACKET:
        return KEY_LEN + FRAME_PACKET_MAX;
    case FRAME_FORWARD_PACKET:
        return 2 * KEY_LEN + FRAME_PACKET_MAX;
    case FRAME_NOTE_PREFERRED:
        return 1;
    case FRAME_WATCH_CONNS:
        return 0;
    case FRAME_CLOSE_PEER:
        return KEY_LEN;
    case FRAME_PING:
        return PING_MAX;
    default:
        return FRAME_UNKNOWN_MAX;
    }
}

bool frame_peek(const uint8_t *src, size_t n, uint8_t *type, size_t *len)
{
    if (n < FRAME_HEADER_LEN)
        return false;
    *type = src[0];
    *len = get32(src + 1);
    return true;
}

enum frame_result frame_decode(const uint8_t *src, size_t n, struct frame *frame, size_t *used,
                               size_t *need)
{
    uint8_t type;
    size_t len;

    if (!frame_peek(src, n, &type, &len)) {
        if (need)
            *need = FRAME_HEADER_LEN;
        return FRAME_INCOMPLETE;
    }
    if (len > frame_limit(type))
        return FRAME_TOO_LONG;
    if (need)
        *need = FRAME_HEADER_LEN + len;
    if (n - FRAME_HEADER_LEN < len)
        return FRAME_INCOMPLETE;
    *frame = (struct frame){.type = type, .len = len, .payload = src + FRAME_HEADER_LEN};
    *used = FRAME_HEADER_LEN + len;
    return FRAME_OK;
}

void frame_put_header(uint8_t out[static FRAME_HEADER_LEN], enum frame_type type, size_t len)
{
    assert(len <= UINT32_MAX);
    out[0] = (uint8_t)type;
    put32(out + 1, (uint32_t)len);
}

/* A key, then a packet: SendPacket and RecvPacket. */
static bool read_key_and_packet(const struct frame *f, struct node_key *key, const uint8_t **packet,
                                size_t *len)
{
    if (f->len < KEY_LEN || f->len > KEY_LEN + FRAME_PACKET_MAX)
        return false;
    memcpy(key->bytes, f->payload, KEY_LEN);
    *packet = f->payload + KEY_LEN;
    *len = f->len - KEY_LEN;
    return true;
}

bool frame_read_send_packet(const struct frame *f, struct node_key *dst, const uint8_t **packet,
                            size_t *len)
{
    return read_key_and_packet(f, dst, packet, len);
}

bool frame_read_recv_packet(const struct frame *f, struct node_key *src, const uint8_t **packet,
                            size_t *len)
{
    return read_key_and_packet(f, src, packet, len);
}

bool frame_read_note_preferred(const struct frame *f, bool *home)
{
    if (f->len != 1)
        return false;
    *home = f->payload[0] != 0;
    return true;
}

bool frame_read_ping(const struct frame *f, uint8_t data[static 8])
{
    if (f->len < 8 || f->len > PING_MAX)
        return false;
    memcpy(data, f->payload, 8);
    return true;
}

bool frame_read_peer_gone(const struct frame *f, struct node_key *key, uint8_t *reason)
{
    if (f->len < KEY_LEN)
        return false;
    memcpy(key->bytes, f->payload, KEY_LEN);
    *reason = f->len > KEY_LEN ? f->payload[KEY_LEN] : PEER_GONE_DISCONNECTED;
    return true;
}

bool frame_read_restarting(const struct frame *f, uint32_t *reconnect_in_ms, uint32_t *try_for_ms)
{
    if (f->len < 8)
        return false;
    *reconnect_in_ms = get32(f->payload);
    *try_for_ms = get32(f->payload + 4);
    return true;
}

bool frame_read_forward_packet(const struct frame *f, struct node_key *src, struct node_key *dst,
                               const uint8_t **packet, size_t *len)
{
    if (f->len < 2 * KEY_LEN || f->len > 2 * KEY_LEN + FRAME_PACKET_MAX)
        return false;
    memcpy(src->bytes, f->payload, KEY_LEN);
    memcpy(dst->bytes, f->payload + KEY_LEN, KEY_LEN);
    *packet = f->payload + 2 * KEY_LEN;
    *len = f->len - 2 * KEY_LEN;
    return !node_key_is_zero(src);
}

bool frame_read_close_peer(const struct frame *f, struct node_key *key)
{
    if (f->len != KEY_LEN)
        return false;
    memcpy(key->bytes, f->payload, KEY_LEN);
    return true;
}

/* What follows the flags: one byte of length, then the name. */
static void read_app_name(const uint8_t *p, size_t n, char name[static FRAME_APP_NAME_MAX + 1])
{
    if (n == 0 || p[0] > FRAME_APP_NAME_MAX || p[0] > n - 1)
        return;
    for (size_t i = 1; i <= p[0]; i++)
        if (p[i] < ' ' || p[i] > '~')
            return;
    memcpy(name, p + 1, p[0]);
}

bool frame_read_peer_present(const struct frame *f, struct peer_present *p)
{
    const uint8_t *rest;
    size_t n;

    memset(p, 0, sizeof(*p));
    if (f->len < KEY_LEN)
        return false;
    memcpy(p->key.bytes, f->payload, KEY_LEN);
    rest = f->payload + KEY_LEN;
    n = f->len - KEY_LEN;
    if (n >= 18) {
        memcpy(p->address, rest, 16);
        p->port = get16(rest + 16);
    }
    if (n >= 19) {
        p->flags = rest[18];
        read_app_name(rest + 19, n - 19, p->app_name);
    }
    return true;
}

void frame_write_close_peer(uint8_t out[static FRAME_CLOSE_PEER_LEN], const struct node_key *key)
{
    frame_put_header(out, FRAME_CLOSE_PEER, KEY_LEN);
    memcpy(out + FRAME_HEADER_LEN, key->bytes, KEY_LEN);
}

void frame_write_watch(uint8_t out[static FRAME_WATCH_LEN])
{
    frame_put_header(out, FRAME_WATCH_CONNS, 0);
}

size_t frame_write_peer_present(uint8_t out[static FRAME_PEER_PRESENT_MAX],
                                const struct peer_present *p)
{
    uint8_t *at = out + FRAME_HEADER_LEN;
    size_t name_len = strlen(p->app_name);
    size_t len = KEY_LEN + 16 + 2 + 1 + 1 + name_len;

    frame_put_header(out, FRAME_PEER_PRESENT, len);
    memcpy(at, p->key.bytes, KEY_LEN);
    memcpy(at + KEY_LEN, p->address, 16);
    at[KEY_LEN + 16] = (uint8_t)(p->port >> 8);
    at[KEY_LEN + 17] = (uint8_t)p->port;
    at[KEY_LEN + 18] = p->flags;
    at[KEY_LEN + 19] = (uint8_t)name_len;
    memcpy(at + KEY_LEN + 20, p->app_name, name_len);
    return FRAME_HEADER_LEN + len;
}

void frame_write_peer_gone(uint8_t out[static FRAME_PEER_GONE_LEN], const struct node_key *key,
                           enum peer_gone_reason reason)
{
    frame_put_header(out, FRAME_PEER_GONE, KEY_LEN + 1);
    memcpy(out + FRAME_HEADER_LEN, key->bytes, KEY_LEN);
    out[FRAME_HEADER_LEN + KEY_LEN] = (uint8_t)reason;
}

void frame_write_pong(uint8_t out[static FRAME_PONG_LEN], const uint8_t data[static 8])
{
    frame_put_header(out, FRAME_PONG, 8);
    memcpy(out + FRAME_HEADER_LEN, data, 8);
}

size_t frame_write_health(uint8_t out[static FRAME_HEALTH_MAX], const char *text)
{
    size_t n = strnlen(text, FRAME_HEALTH_TEXT);

    frame_put_header(out, FRAME_HEALTH, n);
    memcpy(out + FRAME_HEADER_LEN, text, n);
    return FRAME_HEADER_LEN + n;
}

void frame_write_restarting(uint8_t out[static FRAME_RESTARTING_LEN], uint32_t reconnect_in_ms,
                            uint32_t try_for_ms)
{
    frame_put_header(out, FRAME_RESTARTING, 8);
    put32(out + FRAME_HEADER_LEN, reconnect_in_ms);
    put32(out + FRAME_HEADER_LEN + 4, try_for_ms);
}

bool packet_is_disco(const uint8_t *packet, size_t len)
{
    static const uint8_t magic[6] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};

    return len >= DISCO_MIN && memcmp(packet, magic, sizeof(magic)) == 0;
}
