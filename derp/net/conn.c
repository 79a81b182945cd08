/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "derp/net/conn_private.h"

/* About a third of a handshake: one, or many that bring little. */
#define NEWCOMERS_TURN_NS 100000

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

void conn_enter(struct conn *c)
{
    c->depth++;
}

/* Undoes enter; the last one of an ended connection tells the owner and frees it. */
void conn_leave(struct conn *c)
{
    if (--c->depth > 0 || c->phase != PHASE_ENDED)
        return;
    c->events->on_end(c->owner, c->end, c->reason == NULL ? "" : c->reason);
    tls_free(c->tls);
    tls_context_free(c->accepts);
    buf_free(&c->keep);
    buf_free(&c->unsent);
    free(c->reason);
    free(c);
}

void conn_end(struct conn *c, enum conn_end why, const char *reason)
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
    conn_enter(c);
    conn_end(c, why, reason);
    conn_leave(c);
}

/* --- Events --------------------------------------------------------------------------------- */

void conn_opened(struct conn *c)
{
    c->phase = PHASE_OPEN;
    c->events->on_ready(c->owner);
}

void conn_start(struct conn *c)
{
    if (c->tls == NULL && c->accepts == NULL) {
        conn_opened(c);
        return;
    }
    c->phase = PHASE_HANDSHAKE;
    if (c->tls != NULL)
        conn_take_input(c, NULL, 0); /* a client speaks first; a server waits */
}

static void on_connected(struct conn *c)
{
    int error = 0;
    socklen_t n = sizeof error;

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0) {
        conn_end(c, CONN_END_RESET, strerror(error != 0 ? error : errno));
        return;
    }
    conn_start(c);
    if (c->phase != PHASE_ENDED)
        conn_want_events(c);
}

/* A storm of handshakes and logins must not hold up packets: those of this turn are sent before,
 * and once the turn's time for newcomers is used up the others wait for the next turn, in which
 * they are still readable. */
static void read_newcomer(struct conn *c)
{
    struct conn_scratch *s = c->scratch;
    unsigned turn = loop_turn(c->io.loop);
    int64_t begin;

    if (s->newcomers_turn != turn)
        s->newcomers_ns = 0;
    s->newcomers_turn = turn;
    if (s->newcomers_ns >= NEWCOMERS_TURN_NS)
        return;
    loop_end_turn(c->io.loop);
    if (c->phase == PHASE_ENDED)
        return;
    begin = clock_mono_ns();
    conn_read(c);
    s->newcomers_ns += clock_mono_ns() - begin;
}

static void on_io(void *arg, int events)
{
    struct conn *c = arg;

    conn_enter(c);
    if (c->phase == PHASE_CONNECTING) {
        on_connected(c);
    } else {
        if ((events & LOOP_WRITE) && c->phase != PHASE_ENDED) {
            if (c->phase == PHASE_HANDSHAKE)
                conn_send_unsent(c);
            else
                conn_write(c);
        }
        if ((events & LOOP_READ) && (c->is_newcomer || c->phase == PHASE_HANDSHAKE))
            read_newcomer(c);
        else if ((events & LOOP_READ) && c->phase != PHASE_ENDED)
            conn_read(c);
    }
    conn_leave(c);
}

static void on_deadline(void *arg)
{
    struct conn *c = arg;

    conn_enter(c);
    if (c->phase == PHASE_FINISHING || c->phase == PHASE_LINGERING)
        conn_end(c, CONN_END_LOCAL, "");
    else if (c->phase != PHASE_ENDED)
        c->events->on_deadline(c->owner);
    conn_leave(c);
}

void conn_pin(struct conn *c)
{
    conn_enter(c);
}

void conn_unpin(struct conn *c)
{
    conn_leave(c);
}

void conn_settled(struct conn *c)
{
    c->is_newcomer = false;
    loop_io_rank(&c->io, LOOP_USUAL);
}

void conn_hold(struct conn *c, bool held)
{
    if (c->phase != PHASE_OPEN || c->held == held)
        return;
    c->held = held;
    conn_want_events(c);
    if (held || c->keep.len == 0)
        return;
    conn_enter(c);
    c->want = 0;
    conn_deliver_kept(c);
    conn_leave(c);
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

void conn_set_write_timeout(struct conn *c, int write_timeout_ms)
{
    c->write_timeout_ms = write_timeout_ms;
}

static struct conn *conn_new(const struct conn_options *opt, int fd,
                             const struct conn_events *events, void *owner)
{
    struct conn *c = mem_alloc(1, sizeof *c);

    loop_io_init(&c->io, opt->loop, fd, on_io, c);
    loop_timer_init(&c->deadline, opt->loop, on_deadline, c);
    loop_timer_init(&c->stall, opt->loop, conn_line_on_timer, c);
    buf_init(&c->keep, opt->keep_max);
    buf_init(&c->unsent, 2 * OUT_MAX);
    c->events = events;
    c->owner = owner;
    c->scratch = opt->scratch;
    c->write_timeout_ms = opt->write_timeout_ms;
    c->is_newcomer = opt->is_newcomer;
    if (c->is_newcomer)
        loop_io_rank(&c->io, LOOP_LAST);
    c->batch = BATCH_START;
    c->fd = fd;
    return c;
}

struct conn *conn_accept(const struct conn_options *opt, int fd, const struct conn_events *events,
                         void *owner)
{
    struct conn *c = conn_new(opt, fd, events, owner);

    if (opt->tls != NULL)
        c->accepts = tls_context_ref(opt->tls);
    c->phase = opt->has_preface ? PHASE_PREFACE : opt->tls != NULL ? PHASE_HANDSHAKE : PHASE_OPEN;
    conn_want_events(c);
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
    conn_want_events(c);
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
