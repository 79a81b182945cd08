/* SPDX-License-Identifier: Apache-2.0 */
/* From the kernel to the owner: receive, open, deliver; what is incomplete waits here. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "derp/net/conn_private.h"

/* Keeps plaintext of an incomplete unit until *want bytes are there. */
static void keep(struct conn *c, const uint8_t *p, size_t n)
{
    if (!buf_append(&c->keep, p, n))
        conn_end(c, CONN_END_TLS, "a message is longer than allowed");
}

/* Hands plaintext from the scratch upward. */
static void deliver(struct conn *c, const uint8_t *p, size_t n)
{
    size_t used, want = 0;

    if (c->phase != PHASE_OPEN || n == 0)
        return;
    used = c->held ? 0 : c->events->on_data(c->owner, p, n, &want);
    if (c->phase != PHASE_OPEN || used == n)
        return;
    c->want = want > n - used ? want : n - used + 1;
    keep(c, p + used, n - used);
}

/* Hands kept plaintext upward once there is enough of it. */
void conn_deliver_kept(struct conn *c)
{
    size_t used, want = 0;

    if (c->phase != PHASE_OPEN || c->held || c->keep.len < c->want)
        return;
    used = c->events->on_data(c->owner, c->keep.data, c->keep.len, &want);
    if (c->phase != PHASE_OPEN)
        return;
    buf_consume(&c->keep, used);
    if (c->keep.len == 0) {
        buf_free(&c->keep);
        c->want = 0;
    } else {
        c->want = want > c->keep.len ? want : c->keep.len + 1;
    }
}

/* Does the owner know how much is missing? If not (or while held), "one more" is not to be taken
 * at its word: an HTTP head would be read again for each of its bytes. */
static bool knows_want(const struct conn *c)
{
    return c->want > c->keep.len + 1;
}

/*
 * Where the next plaintext goes: straight to the end of an incomplete unit, so that a long frame
 * in many records is not copied again and again, or into the scratch.
 */
static uint8_t *plain_target(struct conn *c, size_t filled, size_t *room)
{
    size_t missing, grow;
    uint8_t *p;

    if (c->keep.len == 0) {
        *room = PLAIN_MAX - filled;
        return c->scratch->plain + filled;
    }
    missing = knows_want(c) ? c->want - c->keep.len : TLS_RECORD_MAX;
    grow = c->keep.len < KEEP_START ? KEEP_START : c->keep.len; /* as much as has really come */
    *room = missing < grow ? missing : grow;
    if (*room > c->keep.max - c->keep.len && c->keep.len < c->keep.max)
        *room = c->keep.max - c->keep.len;
    p = buf_reserve(&c->keep, *room);
    if (p == NULL)
        conn_end(c, CONN_END_TLS, "a message is longer than allowed");
    return p;
}

static enum tls_result open_some(struct conn *c, struct tls_io *io, uint8_t *p, size_t room,
                                 size_t *n)
{
    if (c->tls != NULL)
        return tls_open(c->tls, io, p, room, n);
    if (io->in_len == 0)
        return TLS_AGAIN;
    *n = room < io->in_len ? room : io->in_len;
    memcpy(p, io->in, *n);
    io->in += *n;
    io->in_len -= *n;
    return TLS_OK;
}

/* Sends what opening left in the output (an answer to KeyUpdate): upward calls reuse the buffer. */
static void send_answers(struct conn *c, struct tls_io *io)
{
    conn_send(c, io->out, io->out_len);
    io->out_len = 0;
}

static void peer_is_done(struct conn *c, enum tls_result why, struct tls_io *io)
{
    if (c->phase == PHASE_ENDED)
        return;
    send_answers(c, io);
    if (why != TLS_CLOSED) {
        conn_end(c, CONN_END_TLS, tls_reason(c->tls));
        return;
    }
    conn_write(c); /* it may still read: the answer to a request that came with its end */
    if (c->phase == PHASE_ENDED)
        return;
    tls_close_notify(c->tls, io);
    if (conn_send(c, io->out, io->out_len))
        conn_end(c, CONN_END_PEER, "");
}

/* Opens and delivers all of the input. */
static void take_data(struct conn *c, struct tls_io *io)
{
    enum tls_result r = TLS_OK;
    size_t filled = 0;

    while (c->phase == PHASE_OPEN && r == TLS_OK) {
        size_t room, n = 0;
        bool kept = c->keep.len > 0, exact = knows_want(c);
        uint8_t *p = plain_target(c, filled, &room);

        if (p == NULL)
            return;
        r = open_some(c, io, p, room, &n);
        if (kept) {
            c->keep.len += n;
            send_answers(c, io);
            if (exact || r != TLS_OK || io->in_len == 0)
                conn_deliver_kept(c);
        } else if (r == TLS_OK) {
            filled += n;
        }
        if (!kept && (r != TLS_OK || filled == PLAIN_MAX)) {
            send_answers(c, io); /* an alert, too: what follows may write over it */
            deliver(c, c->scratch->plain, filled);
            filled = 0;
        }
    }
    if (r == TLS_CLOSED || r == TLS_FAILED)
        peer_is_done(c, r, io);
}

static void take_handshake(struct conn *c, struct tls_io *io)
{
    enum tls_result r;

    if (c->tls == NULL) { /* strangers who say nothing cost nothing */
        c->tls = tls_accept(c->accepts);
        tls_context_free(c->accepts);
        c->accepts = NULL;
    }
    r = tls_handshake(c->tls, io);
    if (!conn_send(c, io->out, io->out_len))
        return;
    io->out_len = 0;
    if (r == TLS_AGAIN)
        return;
    if (r != TLS_OK)
        conn_end(c, CONN_END_TLS, tls_reason(c->tls));
    else if (tls_is_challenge(c->tls))
        conn_end(c, CONN_END_CHALLENGE, "");
    else
        conn_opened(c);
}

void conn_take_input(struct conn *c, const uint8_t *p, size_t n)
{
    struct tls_io io = conn_tls_io(c, p, n);

    if (c->phase == PHASE_HANDSHAKE)
        take_handshake(c, &io);
    if (c->phase == PHASE_OPEN)
        take_data(c, &io);
}

/* Kept until the owner has seen its end; what follows it may have come along. */
static void take_preface(struct conn *c, const uint8_t *p, size_t n)
{
    struct buf all;
    size_t used;

    keep(c, p, n);
    if (c->phase != PHASE_PREFACE)
        return;
    used = c->events->on_preface(c->owner, c->keep.data, c->keep.len);
    if (c->phase != PHASE_PREFACE || used == 0)
        return;
    all = c->keep;
    buf_init(&c->keep, all.max);
    conn_start(c);
    if (used < all.len)
        conn_take_input(c, all.data + used, all.len - used);
    buf_free(&all);
}

void conn_read(struct conn *c)
{
    ssize_t n = recv(c->fd, c->scratch->in, READ_MAX, 0);

    if (n > 0 && c->phase == PHASE_PREFACE) {
        take_preface(c, c->scratch->in, (size_t)n);
        return;
    }
    if (n > 0) {
        conn_take_input(c, c->scratch->in, (size_t)n);
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (c->phase == PHASE_LINGERING || c->phase == PHASE_FINISHING)
        conn_end(c, CONN_END_LOCAL, "");
    else if (n == 0 && c->tls == NULL)
        conn_end(c, CONN_END_PEER, "");
    else
        conn_end(c, CONN_END_RESET, n == 0 ? "end of stream" : strerror(errno));
}
