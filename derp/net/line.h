/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much may be in the kernel for a peer whose line is slow: what fills the way to it, and a
 * little more. All else waits where it can still be ordered and dropped; given to the kernel, it
 * would stand in front of the narrowest link, and then be lost there. TCP alone finds that link's
 * rate by filling its queue. Pure.
 */
#ifndef DERP_NET_LINE_H
#define DERP_NET_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Above so many bytes a second a line is not slow; below half of it, it may be. */
#define LINE_FAST 6000000

/* Does a queue stand on the way, so that the rate that is seen is the line's? Otherwise it is only
 * what was sent. rtt_us: now (tcpi_rtt); at_least_us: so much longer than when nothing waits. */
#define LINE_QUEUE_FOUND_US 40000
#define LINE_QUEUE_KEPT_US  15000
bool line_has_queue(uint32_t rtt_us, uint32_t min_rtt_us, uint32_t at_least_us);

/* What TCP tells of a connection (struct tcp_info) at a time. */
struct line_sample {
    uint64_t rate;               /* tcpi_delivery_rate, bytes a second */
    uint32_t acked;              /* tcpi_bytes_acked; wraps */
    uint32_t rtt_us, min_rtt_us; /* tcpi_rtt, tcpi_min_rtt */
    uint32_t now_ms;             /* of any clock; wraps */
};

/* A line that was found to be slow. TCP's rate is that of the last few packets: after a pause a
 * provider's token bucket lets through a burst at the speed of the link behind it. So it is also
 * measured what is acknowledged in a tenth of a second, or two round trips, without a pause. */
struct line {
    uint32_t acked, marked_ms; /* then the measuring began */
    uint32_t looked_ms;
    uint32_t rate;   /* measured, bytes a second; 0: not yet */
    uint32_t before; /* the last one */
    bool had_queue;  /* since the measuring began */
    bool ran_dry;    /* likewise */
};

/* Begins to measure. */
void line_found_slow(struct line *l, const struct line_sample *s);

/* Notes a sample, taken each time before something is given to the kernel. True: the line is fast
 * after all, and needs no window. */
bool line_is_fast(struct line *l, const struct line_sample *s);

/* There was nothing more to send. */
void line_ran_dry(struct line *l);

/* TCP's rate, as far as it is to be believed. */
uint64_t line_rate(const struct line *l, const struct line_sample *s);

/* Bytes that may be sent and not yet acknowledged. rate: bytes a second that have been delivered
 * (line_rate), 0: not known yet. min_rtt_us: the way there and back when nothing waits
 * (tcpi_min_rtt). */
size_t line_window(uint64_t rate, uint32_t min_rtt_us);

/* Milliseconds until some of `held` bytes are gone, so that they are fewer than window. */
int line_wait_ms(size_t held, size_t window, uint64_t rate);

#endif
