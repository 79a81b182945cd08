/* SPDX-License-Identifier: Apache-2.0 */
/* From the owner to the kernel: fill, seal, send; what the kernel does not take waits here. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "derp/net/conn_private.h"

#define BATCH_GROWTH 2

void conn_want_events(struct conn *c)
{
    int events = c->held ? 0 : LOOP_READ;

    if (c->phase == PHASE_CONNECTING)
        events = LOOP_WRITE;
    else if (c->unsent.len > 0)
        events |= LOOP_WRITE;
    loop_io_want(&c->io, events);
}

/* Gives bytes to the kernel; what it does not take is kept. False when the connection ended. */
bool conn_send(struct conn *c, const uint8_t *p, size_t n)
{
    ssize_t sent;

    if (n == 0)
        return true;
    if (c->unsent.len > 0) {
        if (buf_append(&c->unsent, p, n))
            return true;
        conn_end(c, CONN_END_STALLED, "too much waits to be written");
        return false;
    }
    sent = send(c->fd, p, n, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            conn_end(c, CONN_END_RESET, strerror(errno));
            return false;
        }
        sent = 0;
    }
    if ((size_t)sent < n) {
        buf_append(&c->unsent, p + sent, n - (size_t)sent);
        conn_line_watch(c);
        conn_line_blocked(c);
        conn_want_events(c);
    }
    c->sent += (uint32_t)sent;
    if (c->unsent.len == 0 && !c->is_slow && n >= c->batch && c->batch < BATCH_MAX)
        c->batch *= BATCH_GROWTH;
    return true;
}

/* Sends what waits; true when nothing is left. */
bool conn_send_unsent(struct conn *c)
{
    ssize_t sent;

    if (c->unsent.len == 0)
        return true;
    sent = send(c->fd, c->unsent.data, c->unsent.len, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR)
            conn_end(c, CONN_END_RESET, strerror(errno));
        return false;
    }
    if ((size_t)sent < c->unsent.len) {
        buf_consume(&c->unsent, (size_t)sent);
        conn_line_watch(c);
        return false;
    }
    buf_free(&c->unsent);
    conn_line_freed(c);
    conn_want_events(c);
    return true;
}

struct tls_io conn_tls_io(struct conn *c, const uint8_t *in, size_t n)
{
    return (struct tls_io){.in = in,
                           .in_len = n,
                           .out = c->scratch->out,
                           .out_len = 0,
                           .out_cap = OUT_MAX,
                           .spare = c->scratch->spare};
}

/* Fills, seals and sends until the owner has nothing more, or the kernel or the line takes no
 * more. */
static void pump(struct conn *c)
{
    struct tls_io io = conn_tls_io(c, NULL, 0);

    while (c->phase != PHASE_ENDED && c->unsent.len == 0) {
        size_t room = c->batch < TLS_RECORD_MAX ? c->batch : TLS_RECORD_MAX;
        size_t n;

        if (!conn_line_has_room(c)) {
            conn_send(c, io.out, io.out_len);
            return;
        }
        n = c->events->on_fill(c->owner, c->scratch->fill, room);
        if (c->phase == PHASE_ENDED)
            return;
        if (n > 0 && c->tls == NULL) {
            conn_send(c, c->scratch->fill, n);
            continue;
        }
        if (n > 0 && tls_seal(c->tls, &io, c->scratch->fill, n) != TLS_OK) {
            conn_end(c, CONN_END_TLS, tls_reason(c->tls));
            return;
        }
        if (n > 0 && io.out_len < c->batch && io.out_len + TLS_OUT_ROOM <= io.out_cap)
            continue; /* more records into the same write */
        conn_send(c, io.out, io.out_len);
        io.out_len = 0;
        if (n == 0) {
            line_ran_dry(&c->line);
            return;
        }
    }
}

/* The owner is done and everything is written: say so and wait for the peer's end. */
static void linger(struct conn *c)
{
    struct tls_io io = conn_tls_io(c, NULL, 0);

    if (c->tls != NULL)
        tls_close_notify(c->tls, &io);
    if (!conn_send(c, io.out, io.out_len) || c->unsent.len > 0)
        return;
    shutdown(c->fd, SHUT_WR);
    c->phase = PHASE_LINGERING;
}

void conn_write(struct conn *c)
{
    if (c->phase != PHASE_OPEN && c->phase != PHASE_FINISHING)
        return;
    if (!conn_send_unsent(c) || c->is_full)
        return;
    pump(c);
    if (c->phase == PHASE_ENDED || conn_is_blocked(c))
        return;
    if (c->events->on_drained != NULL)
        c->events->on_drained(c->owner);
    if (c->phase == PHASE_FINISHING && c->unsent.len == 0) /* the owner may have written again */
        linger(c);
}

void conn_flush(struct conn *c)
{
    conn_enter(c);
    conn_write(c);
    conn_leave(c);
}

bool conn_is_blocked(const struct conn *c)
{
    return c->unsent.len > 0 || c->is_full;
}

void conn_finish(struct conn *c, int64_t within_ms)
{
    if (c->phase == PHASE_ENDED || c->phase == PHASE_FINISHING || c->phase == PHASE_LINGERING)
        return;
    conn_enter(c);
    if (c->phase == PHASE_OPEN) {
        c->phase = PHASE_FINISHING;
        c->held = false;
        conn_want_events(c);
        loop_timer_set(&c->deadline, within_ms);
        conn_write(c);
    } else {
        conn_end(c, CONN_END_LOCAL, "");
    }
    conn_leave(c);
}
