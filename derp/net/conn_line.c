/* SPDX-License-Identifier: Apache-2.0 */
/* How fast the peer's line takes what is sent, and what follows from that. */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "derp/net/conn_private.h"
#include "derp/net/line.h"

#define SLOW_MS    10 /* to take half of what may wait in the kernel unsent */
#define LOWAT      (64 * 1024)
#define LOWAT_SLOW (8 * 1024)
#define LOOK_BYTES (16 * 1024) /* sent, and */
#define LOOK_MS    10          /* passed, before a line is looked at again */

static bool ask(const struct conn *c, struct tcp_info *t)
{
    socklen_t n = sizeof *t;

    memset(t, 0, sizeof *t);
    return getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, t, &n) == 0;
}

static struct line_sample sample(const struct conn *c, const struct tcp_info *t)
{
    return (struct line_sample){.rate = t->tcpi_delivery_rate,
                                .acked = (uint32_t)t->tcpi_bytes_acked,
                                .rtt_us = t->tcpi_rtt,
                                .min_rtt_us = t->tcpi_min_rtt,
                                .now_ms = (uint32_t)loop_now_ms(c->io.loop)};
}

/* How much the kernel may hold that is not on the line yet, and how much is sealed at once: it
 * should stand in the owner's queue, where it can still be ordered and dropped, but on a fast line
 * the kernel must not run dry. */
static void set_lowat(const struct conn *c, int lowat)
{
    setsockopt(c->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
}

static void set_slow(struct conn *c, const struct tcp_info *t)
{
    struct line_sample s = sample(c, t);

    c->is_slow = true;
    c->batch = BATCH_MIN;
    line_found_slow(&c->line, &s);
    set_lowat(c, LOWAT_SLOW);
}

/* Is a line not slow any more? */
static bool found_fast(struct conn *c, const struct line_sample *s)
{
    if (!line_is_fast(&c->line, s))
        return false;
    c->is_slow = false;
    set_lowat(c, LOWAT);
    return true;
}

void conn_line_blocked(struct conn *c)
{
    c->blocked_ms = loop_now_ms(c->io.loop);
}

void conn_line_freed(struct conn *c)
{
    int64_t took = loop_now_ms(c->io.loop) - c->blocked_ms;
    struct tcp_info t;

    if (!c->is_slow && took >= SLOW_MS && ask(c, &t))
        set_slow(c, &t);
    if (c->is_full) /* what was sent meanwhile was no data, but an answer of TLS */
        loop_timer_set(&c->stall, 1);
    else
        loop_timer_stop(&c->stall);
}

/* Bytes that were given to the kernel and not acknowledged; < 0: not known. */
static int held_by_kernel(const struct conn *c)
{
    int held;

    return ioctl(c->fd, SIOCOUTQ, &held) == 0 ? held : -1;
}

/* Bytes that are on the way or will be: without those that have arrived behind a lost one, which
 * are not acknowledged in order and still take no room on the line. */
static size_t on_the_way(const struct tcp_info *t)
{
    uint32_t out = t->tcpi_unacked + t->tcpi_retrans, in = t->tcpi_sacked + t->tcpi_lost;

    return (size_t)(out > in ? out - in : 0) * t->tcpi_snd_mss + t->tcpi_notsent_bytes;
}

/* Progress is what the stall timer looks for. */
static void note_full(struct conn *c)
{
    int held = held_by_kernel(c);

    if (!c->is_full || (held >= 0 && c->held_before < 0) || held < c->held_before) {
        c->held_before = held;
        conn_line_blocked(c);
    }
    c->is_full = true;
}

/* The kernel takes all when a long queue stands behind it; so it is asked how long that is, not too
 * often. */
static void look_for_queue(struct conn *c)
{
    int64_t now = loop_now_ms(c->io.loop);
    struct tcp_info t;

    if (c->sent < LOOK_BYTES || now - c->blocked_ms < LOOK_MS)
        return;
    c->sent = 0;
    c->blocked_ms = now;
    if (ask(c, &t) && t.tcpi_delivery_rate < LINE_FAST / 2 &&
        line_has_queue(t.tcpi_rtt, t.tcpi_min_rtt, LINE_QUEUE_FOUND_US))
        set_slow(c, &t);
}

/* On a slow line: 0, or for how many milliseconds it has enough in front of it. Where no queue
 * stands on the way, TCP sends less than the line takes, be it that it still grows or that packets
 * are lost: then it is only kept from standing in the kernel. */
static int full_for_ms(struct conn *c)
{
    struct tcp_info t;
    struct line_sample s;
    size_t window, held;
    uint64_t rate;

    if (!ask(c, &t))
        return 0;
    s = sample(c, &t);
    if (found_fast(c, &s))
        return 0;
    rate = line_rate(&c->line, &s);
    if (line_has_queue(t.tcpi_rtt, t.tcpi_min_rtt, LINE_QUEUE_KEPT_US)) {
        window = line_window(rate, t.tcpi_min_rtt);
        held = on_the_way(&t);
    } else {
        window = line_window(rate, 0);
        held = t.tcpi_notsent_bytes;
    }
    return held < window ? 0 : line_wait_ms(held, window, rate);
}

bool conn_line_has_room(struct conn *c)
{
    int ms;

    if (!c->is_slow)
        look_for_queue(c);
    ms = c->is_slow ? full_for_ms(c) : 0;
    if (ms == 0)
        return true;
    note_full(c);
    loop_timer_set(&c->stall, ms);
    return false;
}

void conn_line_watch(struct conn *c)
{
    c->held_before = -1;
    loop_timer_set(&c->stall, c->write_timeout_ms / 2);
}

/* The line was full: is there room now? If nothing has left for too long, the peer takes nothing.
 */
static void look_again(struct conn *c)
{
    if (conn_line_has_room(c)) {
        c->is_full = false;
        conn_write(c);
    } else if (loop_now_ms(c->io.loop) - c->blocked_ms >= c->write_timeout_ms) {
        conn_end(c, CONN_END_STALLED, "the peer takes no data");
    }
}

/* The kernel asks for more only when a good part of what it holds is gone, for which a very slow
 * line needs longer than the write timeout: does the peer take anything at all? Asked twice, half
 * of the timeout apart. */
static void check_progress(struct conn *c)
{
    int held = held_by_kernel(c);

    if (held >= 0 && (c->held_before < 0 || held < c->held_before)) {
        c->held_before = held;
        loop_timer_set(&c->stall, c->write_timeout_ms / 2);
    } else {
        conn_end(c, CONN_END_STALLED, "the peer takes no data");
    }
}

void conn_line_on_timer(void *arg)
{
    struct conn *c = arg;

    conn_enter(c);
    if (c->is_full && c->unsent.len == 0)
        look_again(c);
    else
        check_progress(c);
    conn_leave(c);
}
