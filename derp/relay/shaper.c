/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/shaper.h"

#define SHARE_PERCENT    97
#define RECORD_OVERHEAD  22   /* RFC 8446 5.2: header, content type, tag */
#define SEGMENT          1448 /* of a 1500-byte MTU */
#define SEGMENT_OVERHEAD 66   /* Ethernet 14, IPv4 20, TCP 32 */
#define DEPTH_MS         8
#define REFILL_MAX_MS    60000
#define ACK_PART         4
#define DEBT_PART        4    /* of a second */
#define DEPTH_MIN        3200 /* two full segments: below it every send would be cut */

void shaper_init(struct shaper *s, uint64_t uplink, int64_t now_ms)
{
    *s = (struct shaper){.rate = uplink / 8 * SHARE_PERCENT / 100, .then_ms = now_ms};
    s->depth = (int64_t)(s->rate * DEPTH_MS / 1000);
    if (s->depth < DEPTH_MIN)
        s->depth = DEPTH_MIN;
    s->tokens = s->depth;
}

static void refill(struct shaper *s, int64_t passed_ms)
{
    /* After a long rest the bucket is full anyhow; more would overflow. */
    int64_t gained =
        (int64_t)s->rate * (passed_ms > REFILL_MAX_MS ? REFILL_MAX_MS : passed_ms) + s->rest;
    int64_t acks = (int64_t)s->acks;

    s->rest = gained % 1000;
    gained /= 1000;
    s->tokens += gained - (acks < gained / ACK_PART ? acks : gained / ACK_PART);
    s->acks = 0;
    if (s->tokens > s->depth)
        s->tokens = s->depth;
}

size_t shaper_allowance(struct shaper *s, int64_t now_ms)
{
    if (s->rate == 0)
        return SIZE_MAX;
    if (now_ms > s->then_ms)
        refill(s, now_ms - s->then_ms);
    s->then_ms = now_ms;
    return s->tokens > 0 ? (size_t)s->tokens : 0;
}

void shaper_spend(struct shaper *s, size_t wire_bytes)
{
    int64_t least = -(s->depth + (int64_t)s->rate / DEBT_PART);

    if (s->rate == 0)
        return;
    s->tokens -= (int64_t)wire_bytes;
    if (s->tokens < least)
        s->tokens = least;
}

void shaper_note_received(struct shaper *s, size_t n)
{
    if (s->rate > 0)
        s->acks += n * SEGMENT_OVERHEAD / (2 * SEGMENT); /* one for two segments */
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
