/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/stamp.h"

#include <string.h>

#define SHIFTS     4096 /* places in the fill where a packet's bytes may begin */
#define PACKET_MAX 65536

static const uint8_t disco_magic[6] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};
static const uint8_t plain_magic[6] = {'b', 'e', 'n', 'c', 'h', 0};

/* Bytes without a pattern, the same everywhere (xorshift). */
static const uint8_t *fill_at(uint64_t seq)
{
    static uint8_t fill[SHIFTS + PACKET_MAX];
    uint64_t x = 88172645463325252ULL;

    if (fill[0] == 0 && fill[1] == 0)
        for (size_t i = 0; i < sizeof fill; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            fill[i] = (uint8_t)(x >> 32) | 1;
        }
    return fill + seq % SHIFTS;
}

void stamp_write(uint8_t *packet, size_t len, const struct stamp *s)
{
    memcpy(packet, s->is_disco ? disco_magic : plain_magic, 6);
    memset(packet + 6, 0, STAMP_LEN - 6);
    memcpy(packet + 8, &s->stream, sizeof s->stream);
    memcpy(packet + 16, &s->seq, sizeof s->seq);
    memcpy(packet + 24, &s->due_ns, sizeof s->due_ns);
    memcpy(packet + STAMP_LEN, fill_at(s->seq), len - STAMP_LEN);
}

bool stamp_read(const uint8_t *packet, size_t len, struct stamp *s)
{
    if (len < STAMP_LEN || len > PACKET_MAX)
        return false;
    s->is_disco = memcmp(packet, disco_magic, 6) == 0;
    if (!s->is_disco && memcmp(packet, plain_magic, 6) != 0)
        return false;
    memcpy(&s->stream, packet + 8, sizeof s->stream);
    memcpy(&s->seq, packet + 16, sizeof s->seq);
    memcpy(&s->due_ns, packet + 24, sizeof s->due_ns);
    return memcmp(packet + STAMP_LEN, fill_at(s->seq), len - STAMP_LEN) == 0;
}
