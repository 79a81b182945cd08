/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/shaper.h"

#define SHARE_PERCENT    95
#define RECORD_OVERHEAD  22   /* RFC 8446 5.2: header, content type, tag */
#define SEGMENT          1448 /* of a 1500-byte MTU */
#define SEGMENT_OVERHEAD 66   /* Ethernet 14, IPv4 20, TCP 32 */
#define DEPTH_MS         8
#define DEPTH_MIN        3200 /* two full segments: below it every send would be cut */

void shaper_init(struct shaper *s, uint64_t uplink, int64_t now_ms)
{
    *s = (struct shaper){.rate = uplink / 8 * SHARE_PERCENT / 100, .then_ms = now_ms};
    s->depth = (int64_t)(s->rate * DEPTH_MS / 1000);
    if (s->depth < DEPTH_MIN)
        s->depth = DEPTH_MIN;
    s->tokens = s->depth;
}

size_t shaper_allowance(struct shaper *s, int64_t now_ms)
{
    int64_t passed = now_ms - s->then_ms;

    if (s->rate == 0)
        return SIZE_MAX;
    if (passed > 0) {
        /* After a long rest the bucket is full anyhow; more would overflow. */
        int64_t gained = (int64_t)s->rate * (passed > 60000 ? 60000 : passed) + s->rest;
        s->tokens += gained / 1000;
        s->rest = gained % 1000;
        s->then_ms = now_ms;
    }
    if (s->tokens > s->depth)
        s->tokens = s->depth;
    return s->tokens > 0 ? (size_t)s->tokens : 0;
}

void shaper_spend(struct shaper *s, size_t wire_bytes)
{
    if (s->rate > 0)
        s->tokens -= (int64_t)wire_bytes;
}

int64_t shaper_wait_ms(const struct shaper *s)
{
    int64_t enough = DEPTH_MIN / 2, missing = enough - s->tokens;

    if (s->rate == 0 || missing <= 0)
        return 0;
    return (missing * 1000 + (int64_t)s->rate - 1) / (int64_t)s->rate;
}

size_t shaper_wire_bytes(size_t n, size_t record)
{
    size_t records = (n + record - 1) / record;
    size_t stream = n + records * RECORD_OVERHEAD;

    return stream + (stream + SEGMENT - 1) / SEGMENT * SEGMENT_OVERHEAD;
}

size_t shaper_ack_bytes(size_t n)
{
    return n * SEGMENT_OVERHEAD / (2 * SEGMENT);
}
