/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

#define READ_MAX   65536                       /* ciphertext of one read */
#define PLAIN_MAX  (READ_MAX + TLS_RECORD_MAX) /* plaintext of one turn */
#define OUT_MAX    (65536 + TLS_OUT_ROOM)      /* ciphertext of one write */
#define KEEP_START 512                         /* first allocation for an incomplete unit */
#define REASON_MAX 160

struct conn_scratch {
    uint8_t in[READ_MAX];
    uint8_t plain[PLAIN_MAX];
    uint8_t fill[TLS_RECORD_MAX];
    uint8_t out[OUT_MAX];
};

enum conn_phase {
    PHASE_CONNECTING, /* client: waits for the TCP handshake */
    PHASE_HANDSHAKE,  /* TLS handshake */
    PHASE_OPEN,
    PHASE_FINISHING, /* the owner is done: what waits is still sent */
    PHASE_LINGERING, /* all is sent, waits for the peer's end of stream */
    PHASE_ENDED,     /* on_end is due or has been called */
};

struct conn {
    struct loop_io io;
    struct loop_timer deadline; /* the owner's, and the bound of finishing */
    struct loop_timer stall;    /* runs while the peer takes nothing */
    const struct conn_events *events;
    void *owner;
    struct conn_scratch *scratch;
    struct tls *tls;
    struct buf keep;   /* plaintext of an incomplete unit */
    struct buf unsent; /* ciphertext that the kernel did not take */
    size_t want;       /* plaintext needed before on_data is called again */
    int fd;
    int write_timeout_ms;
    bool held;      /* the owner wants no data now */
    unsigned depth; /* calls of ours under way: nothing is freed before the last returns */
    enum conn_phase phase;
    enum conn_end end;
    char *reason;
};

struct conn_scratch *conn_scratch_new(void)
{
    return mem_alloc(1, sizeof(struct conn_scratch));
}

void conn_scratch_free(struct conn_scratch *s)
{
    free(s);
}

const char *conn_end_name(enum conn_end end)
{
    static const char *const names[] = {
        [CONN_END_LOCAL] = "local",     [CONN_END_PEER] = "peer",
        [CONN_END_RESET] = "reset",     [CONN_END_TLS] = "tls",
        [CONN_END_STALLED] = "stalled", [CONN_END_CHALLENGE] = "challenge",
    };
    return names[end];
}

/* --- Life ----------------------------------------------------------------------------------- */

static void enter(struct conn *c)
{
    c->depth++;
}

/* Undoes enter; the last one of an ended connection tells the owner and frees it. */
static void leave(struct conn *c)
{
    if (--c->depth > 0 || c->phase != PHASE_ENDED)
        return;
    c->events->on_end(c->owner, c->end, c->reason == NULL ? "" : c->reason);
    tls_free(c->tls);
    buf_free(&c->keep);
    buf_free(&c->unsent);
    free(c->reason);
    free(c);
}

static void end(struct conn *c, enum conn_end why, const char *reason)
{
    if (c->phase == PHASE_ENDED)
        return;
    c->phase = PHASE_ENDED;
    c->end = why;
    c->reason = reason == NULL || reason[0] == '\0' ? NULL : mem_strdup(reason);
    loop_io_want(&c->io, 0);
    loop_timer_stop(&c->deadline);
    loop_timer_stop(&c->stall);
    close(c->fd);
    c->fd = -1;
}

void conn_close(struct conn *c, enum conn_end why, const char *reason)
{
    enter(c);
    end(c, why, reason);
    leave(c);
}

/* --- Writing -------------------------------------------------------------------------------- */

static void want_events(struct conn *c)
{
    int events = c->held ? 0 : LOOP_READ;

    if (c->phase == PHASE_CONNECTING)
        events = LOOP_WRITE;
    else if (c->unsent.len > 0)
        events |= LOOP_WRITE;
    loop_io_want(&c->io, events);
}

/* Gives bytes to the kernel; what it does not take is kept. False when the connection ended. */
static bool send_out(struct conn *c, const uint8_t *p, size_t n)
{
    ssize_t sent;

    if (n == 0)
        return true;
    if (c->unsent.len > 0) {
        if (buf_append(&c->unsent, p, n))
            return true;
        end(c, CONN_END_STALLED, "too much waits to be written");
        return false;
    }
    sent = send(c->fd, p, n, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            end(c, CONN_END_RESET, strerror(errno));
            return false;
        }
        sent = 0;
    }
    if ((size_t)sent < n) {
        buf_append(&c->unsent, p + sent, n - (size_t)sent);
        loop_timer_set(&c->stall, c->write_timeout_ms);
        want_events(c);
    }
    return true;
}

/* Sends what waits; true when nothing is left. */
static bool send_unsent(struct conn *c)
{
    ssize_t sent;

    if (c->unsent.len == 0)
        return true;
    sent = send(c->fd, c->unsent.data, c->unsent.len, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR)
            end(c, CONN_END_RESET, strerror(errno));
        return false;
    }
    if ((size_t)sent < c->unsent.len) {
        buf_consume(&c->unsent, (size_t)sent);
        loop_timer_set(&c->stall, c->write_timeout_ms);
        return false;
    }
    buf_free(&c->unsent);
    loop_timer_stop(&c->stall);
    want_events(c);
    return true;
}

static struct tls_io tls_io_of(struct conn *c, const uint8_t *in, size_t n)
{
    return (struct tls_io){
        .in = in, .in_len = n, .out = c->scratch->out, .out_len = 0, .out_cap = OUT_MAX};
}

/* Fills, seals and sends until the owner has nothing more or the kernel takes no more. */
static void pump(struct conn *c)
{
    struct tls_io io = tls_io_of(c, NULL, 0);

    while (c->phase != PHASE_ENDED && c->unsent.len == 0) {
        size_t n = c->events->on_fill(c->owner, c->scratch->fill, TLS_RECORD_MAX);

        if (c->phase == PHASE_ENDED)
            return;
        if (n > 0 && c->tls == NULL) {
            send_out(c, c->scratch->fill, n);
            continue;
        }
        if (n > 0 && tls_seal(c->tls, &io, c->scratch->fill, n) != TLS_OK) {
            end(c, CONN_END_TLS, tls_reason(c->tls));
            return;
        }
        if (n > 0 && io.out_len + TLS_OUT_ROOM <= io.out_cap)
            continue; /* more records into the same write */
        send_out(c, io.out, io.out_len);
        io.out_len = 0;
        if (n == 0)
            return;
    }
}

/* The owner is done and everything is written: say so and wait for the peer's end. */
static void linger(struct conn *c)
{
    struct tls_io io = tls_io_of(c, NULL, 0);

    if (c->tls != NULL)
        tls_close_notify(c->tls, &io);
    if (!send_out(c, io.out, io.out_len) || c->unsent.len > 0)
        return;
    shutdown(c->fd, SHUT_WR);
    c->phase = PHASE_LINGERING;
}

static void flush(struct conn *c)
{
    if (c->phase != PHASE_OPEN && c->phase != PHASE_FINISHING)
        return;
    if (!send_unsent(c))
        return;
    pump(c);
    if (c->phase == PHASE_ENDED || c->unsent.len > 0)
        return;
    if (c->events->on_drained != NULL)
        c->events->on_drained(c->owner);
    if (c->phase == PHASE_FINISHING)
        linger(c);
}

void conn_flush(struct conn *c)
{
    enter(c);
    flush(c);
    leave(c);
}

bool conn_is_blocked(const struct conn *c)
{
    return c->unsent.len > 0;
}

void conn_finish(struct conn *c, int64_t within_ms)
{
    if (c->phase == PHASE_ENDED || c->phase == PHASE_FINISHING || c->phase == PHASE_LINGERING)
        return;
    enter(c);
    if (c->phase == PHASE_OPEN) {
        c->phase = PHASE_FINISHING;
        c->held = false;
        want_events(c);
        loop_timer_set(&c->deadline, within_ms);
        flush(c);
    } else {
        end(c, CONN_END_LOCAL, "");
    }
    leave(c);
}

/* --- Reading -------------------------------------------------------------------------------- */

/* Keeps plaintext of an incomplete unit until *want bytes are there. */
static void keep(struct conn *c, const uint8_t *p, size_t n)
{
    if (!buf_append(&c->keep, p, n))
        end(c, CONN_END_TLS, "a message is longer than allowed");
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
static void deliver_kept(struct conn *c)
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
    missing = c->want > c->keep.len ? c->want - c->keep.len : TLS_RECORD_MAX; /* while held */
    grow = c->keep.len < KEEP_START ? KEEP_START : c->keep.len; /* as much as has really come */
    *room = missing < grow ? missing : grow;
    p = buf_reserve(&c->keep, *room);
    if (p == NULL)
        end(c, CONN_END_TLS, "a message is longer than allowed");
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

static void peer_is_done(struct conn *c, enum tls_result why, struct tls_io *io)
{
    if (c->phase == PHASE_ENDED)
        return;
    if (why == TLS_CLOSED)
        tls_close_notify(c->tls, io);
    if (!send_out(c, io->out, io->out_len))
        return;
    if (why == TLS_CLOSED)
        end(c, CONN_END_PEER, "");
    else
        end(c, CONN_END_TLS, tls_reason(c->tls));
}

/* Sends what opening left in the output (an answer to KeyUpdate): upward calls reuse the buffer. */
static void send_answers(struct conn *c, struct tls_io *io)
{
    send_out(c, io->out, io->out_len);
    io->out_len = 0;
}

/* Opens and delivers all of the input. */
static void take_data(struct conn *c, struct tls_io *io)
{
    enum tls_result r = TLS_OK;
    size_t filled = 0;

    while (c->phase == PHASE_OPEN && r == TLS_OK) {
        size_t room, n = 0;
        bool kept = c->keep.len > 0;
        uint8_t *p = plain_target(c, filled, &room);

        if (p == NULL)
            return;
        r = open_some(c, io, p, room, &n);
        if (r == TLS_OK && kept) {
            c->keep.len += n;
            send_answers(c, io);
            deliver_kept(c);
        } else if (r == TLS_OK) {
            filled += n;
        }
        if (!kept && (r != TLS_OK || filled == PLAIN_MAX)) {
            if (r != TLS_FAILED)
                send_answers(c, io);
            deliver(c, c->scratch->plain, filled);
            filled = 0;
        }
    }
    if (r == TLS_CLOSED || r == TLS_FAILED)
        peer_is_done(c, r, io);
}

static void opened(struct conn *c)
{
    c->phase = PHASE_OPEN;
    c->events->on_ready(c->owner);
}

static void take_handshake(struct conn *c, struct tls_io *io)
{
    enum tls_result r = tls_handshake(c->tls, io);

    if (!send_out(c, io->out, io->out_len))
        return;
    io->out_len = 0;
    if (r == TLS_AGAIN)
        return;
    if (r != TLS_OK)
        end(c, CONN_END_TLS, tls_reason(c->tls));
    else if (tls_is_challenge(c->tls))
        end(c, CONN_END_CHALLENGE, "");
    else
        opened(c);
}

static void take_input(struct conn *c, const uint8_t *p, size_t n)
{
    struct tls_io io = tls_io_of(c, p, n);

    if (c->phase == PHASE_HANDSHAKE)
        take_handshake(c, &io);
    if (c->phase == PHASE_OPEN)
        take_data(c, &io);
}

static void on_readable(struct conn *c)
{
    ssize_t n = recv(c->fd, c->scratch->in, READ_MAX, 0);

    if (n > 0) {
        take_input(c, c->scratch->in, (size_t)n);
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (c->phase == PHASE_LINGERING || c->phase == PHASE_FINISHING)
        end(c, CONN_END_LOCAL, "");
    else if (n == 0 && c->tls == NULL)
        end(c, CONN_END_PEER, "");
    else
        end(c, CONN_END_RESET, n == 0 ? "end of stream" : strerror(errno));
}

/* --- Events --------------------------------------------------------------------------------- */

static void start(struct conn *c)
{
    if (c->tls == NULL) {
        opened(c);
        return;
    }
    c->phase = PHASE_HANDSHAKE;
    take_input(c, NULL, 0); /* a client speaks first; a server waits */
}

static void on_connected(struct conn *c)
{
    int error = 0;
    socklen_t n = sizeof error;

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0) {
        end(c, CONN_END_RESET, strerror(error != 0 ? error : errno));
        return;
    }
    start(c);
    if (c->phase != PHASE_ENDED)
        want_events(c);
}

static void on_io(void *arg, int events)
{
    struct conn *c = arg;

    enter(c);
    if (c->phase == PHASE_CONNECTING) {
        on_connected(c);
    } else {
        if ((events & LOOP_WRITE) && c->phase != PHASE_ENDED) {
            if (c->phase == PHASE_HANDSHAKE)
                send_unsent(c);
            else
                flush(c);
        }
        if ((events & LOOP_READ) && c->phase != PHASE_ENDED)
            on_readable(c);
    }
    leave(c);
}

static void on_deadline(void *arg)
{
    struct conn *c = arg;

    enter(c);
    if (c->phase == PHASE_FINISHING || c->phase == PHASE_LINGERING)
        end(c, CONN_END_LOCAL, "");
    else if (c->phase != PHASE_ENDED)
        c->events->on_deadline(c->owner);
    leave(c);
}

static void on_stall(void *arg)
{
    struct conn *c = arg;

    enter(c);
    end(c, CONN_END_STALLED, "the peer takes no data");
    leave(c);
}

void conn_pin(struct conn *c)
{
    enter(c);
}

void conn_unpin(struct conn *c)
{
    leave(c);
}

void conn_hold(struct conn *c, bool held)
{
    if (c->phase != PHASE_OPEN || c->held == held)
        return;
    c->held = held;
    want_events(c);
    if (held || c->keep.len == 0)
        return;
    enter(c);
    c->want = 0;
    deliver_kept(c);
    leave(c);
}

void conn_deadline(struct conn *c, int64_t after_ms)
{
    if (c->phase >= PHASE_FINISHING)
        return;
    if (after_ms < 0)
        loop_timer_stop(&c->deadline);
    else
        loop_timer_set(&c->deadline, after_ms);
}

static struct conn *conn_new(const struct conn_options *opt, int fd,
                             const struct conn_events *events, void *owner)
{
    struct conn *c = mem_alloc(1, sizeof *c);

    loop_io_init(&c->io, opt->loop, fd, on_io, c);
    loop_timer_init(&c->deadline, opt->loop, on_deadline, c);
    loop_timer_init(&c->stall, opt->loop, on_stall, c);
    buf_init(&c->keep, opt->keep_max);
    buf_init(&c->unsent, 2 * OUT_MAX);
    c->events = events;
    c->owner = owner;
    c->scratch = opt->scratch;
    c->write_timeout_ms = opt->write_timeout_ms;
    c->fd = fd;
    return c;
}

struct conn *conn_accept(const struct conn_options *opt, int fd, const struct conn_events *events,
                         void *owner)
{
    struct conn *c = conn_new(opt, fd, events, owner);

    if (opt->tls != NULL)
        c->tls = tls_accept(opt->tls);
    c->phase = opt->tls != NULL ? PHASE_HANDSHAKE : PHASE_OPEN;
    want_events(c);
    return c;
}

struct conn *conn_connect(const struct conn_options *opt, const struct endpoint *to,
                          const struct conn_events *events, void *owner)
{
    int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    struct conn *c;

    if (fd < 0)
        return NULL;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, &to->any, endpoint_len(to)) != 0 && errno != EINPROGRESS) {
        int saved = errno;
        close(fd);
        errno = saved;
        return NULL;
    }
    c = conn_new(opt, fd, events, owner);
    if (opt->tls != NULL)
        c->tls = tls_connect(opt->tls, opt->connect_name);
    c->phase = PHASE_CONNECTING;
    want_events(c);
    return c;
}

const struct tls *conn_tls(const struct conn *c)
{
    return c->tls;
}

int conn_fd(const struct conn *c)
{
    return c->fd;
}
