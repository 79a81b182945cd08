/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of frames, read as a server and as a client would. */
#include <stdlib.h>

#include "derp/wire/frame.h"

static void check(bool condition)
{
    if (!condition)
        abort();
}

static void read_views(const struct frame *f)
{
    struct peer_present present;
    struct node_key key, other;
    const uint8_t *packet;
    size_t len;
    uint8_t byte;
    uint8_t data[8];
    uint32_t a;
    uint32_t b;
    bool home;

    if (frame_read_send_packet(f, &key, &packet, &len)) {
        check(packet + len == f->payload + f->len);
        packet_is_disco(packet, len);
    }
    if (frame_read_forward_packet(f, &key, &other, &packet, &len))
        check(packet + len == f->payload + f->len && !node_key_is_zero(&key));
    if (frame_read_peer_present(f, &present)) {
        uint8_t again[FRAME_PEER_PRESENT_MAX];
        check(frame_write_peer_present(again, &present) <= sizeof(again));
    }
    frame_read_close_peer(f, &key);
    frame_read_recv_packet(f, &key, &packet, &len);
    frame_read_note_preferred(f, &home);
    frame_read_ping(f, data);
    frame_read_peer_gone(f, &key, &byte);
    frame_read_restarting(f, &a, &b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct frame f;
    size_t used;
    size_t need = 0;

    while (frame_decode(data, n, &f, &used, &need) == FRAME_OK) {
        check(used == need && used <= n && used == FRAME_HEADER_LEN + f.len);
        check(f.len <= frame_limit(f.type));
        read_views(&f);
        data += used;
        n -= used;
    }
    return 0;
}
