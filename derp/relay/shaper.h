/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A token bucket in bytes on the wire: keeps what is sent just below the rate that the provider
 * sells, so that the queue stands here, where it can be ordered, and not in front of the provider's
 * limiter, where it cannot. Pure: time is an argument.
 */
#ifndef DERP_RELAY_SHAPER_H
#define DERP_RELAY_SHAPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shaper {
    uint64_t rate;   /* bytes a second; 0: off */
    int64_t depth;   /* most tokens: what may be sent at once */
    int64_t tokens;  /* below 0: sent ahead */
    int64_t then_ms; /* when tokens were last added */
    int64_t rest;    /* of a token: thousandths */
    size_t acks;     /* bytes of acknowledgements since then */
};

/* uplink: bits per second as sold, 0 for none. The shaper stays 3 % below it. */
void shaper_init(struct shaper *s, uint64_t uplink, int64_t now_ms);

/* Bytes that may be sent now; SIZE_MAX when off. */
size_t shaper_allowance(struct shaper *s, int64_t now_ms);

/* They were sent (maybe more than was allowed: then the next ones wait for longer, a quarter of a
 * second at most). */
void shaper_spend(struct shaper *s, size_t wire_bytes);

/* n bytes were received, which the kernel acknowledges over the same line. As its habits are not
 * known, this takes a quarter of the line at most. */
void shaper_note_received(struct shaper *s, size_t n);

/* Milliseconds until some bytes (a few packets' worth) may be sent again; 0: now. */
int64_t shaper_wait_ms(const struct shaper *s);

/* What n bytes of DERP frames, in records of at most `record` bytes, are on an Ethernet: TLS 1.3
 * records (22 bytes each), and TCP segments with time stamps over IPv4 (66 bytes each). */
size_t shaper_wire_bytes(size_t n, size_t record);

#endif
