/* SPDX-License-Identifier: Apache-2.0 */
/* One client, from the accepted socket to its end. The login is login.c's, frames exchange.c's. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/log.h"
#include "base/mem.h"
#include "derp/relay/internal.h"
#include "derp/wire/hello.h"

/* --- Output --------------------------------------------------------------------------------- */

void session_mark_dirty(struct session *s)
{
    if (s->is_dirty || conn_is_blocked(s->conn))
        return; /* a blocked connection asks for more by itself */
    s->is_dirty = true;
    DL_APPEND2(s->worker->dirty, s, dirty_prev, dirty_next);
}

static void on_drop(void *arg, const struct packet *p, enum packet_fate why)
{
    struct session *s = arg;

    if (p->kind != PACKET_CONTROL && why != PACKET_LEFT) {
        s->bytes_out -= p->len - FRAME_HEADER_LEN - KEY_LEN;
        s->dropped++;
    }
    count_fate(s->worker, why, p);
}

static void on_took(void *arg, int64_t waited_ms)
{
    struct session *s = arg;

    count_wait(s->worker, waited_ms);
}

void session_close(struct session *s, enum conn_end why, const char *reason)
{
    s->state = SESSION_FINISHING;
    conn_close(s->conn, why, reason);
}

/* Ends at the end of the turn. Ending at once would tell other sessions of it, whose full queues
 * would end them in turn, one inside the other. */
static void session_doom(struct session *s)
{
    s->state = SESSION_FINISHING;
    s->is_doomed = true;
    if (!s->is_dirty)
        DL_APPEND2(s->worker->dirty, s, dirty_prev, dirty_next);
    s->is_dirty = true;
}

struct outbox_tools session_tools(struct session *s)
{
    return (struct outbox_tools){.pool = s->worker->pool,
                                 .now_ms = loop_now_ms(s->worker->loop),
                                 .keep_late = s->worker->relay->ageless,
                                 .drop = on_drop,
                                 .took = on_took,
                                 .arg = s};
}

/* Logins and pages are not held back: without them there is nothing to pace. */
static bool session_is_paced(const struct session *s)
{
    return s->state == SESSION_DERP && pacer_is_on(&s->worker->pacer);
}

static void flush(struct session *s)
{
    if (session_is_paced(s)) {
        pacer_add(&s->worker->pacer, &s->paced);
        return;
    }
    conn_flush(s->conn);
}

void session_turn_end(struct session *s)
{
    if (s->is_doomed)
        conn_close(s->conn, CONN_END_STALLED, "too many control frames wait");
    else
        flush(s);
}

/* --- Turns under an uplink ------------------------------------------------------------------ */

static struct session *of_paced(struct paced *p)
{
    return (struct session *)(void *)((char *)p - offsetof(struct session, paced));
}

static struct outbox *paced_outbox(struct paced *p)
{
    return &of_paced(p)->outbox;
}

static bool paced_send(struct paced *p, size_t budget, enum outbox_class class, size_t *n)
{
    struct session *s = of_paced(p);
    struct worker *w = s->worker;
    handle_t handle = s->handle;

    p->budget = budget;
    p->class = class;
    p->sent = 0;
    conn_pin(s->conn);
    conn_flush(s->conn);
    p->budget = 0;
    *n = p->sent;
    conn_unpin(s->conn); /* writing may have ended it */
    return worker_find(w, handle) != NULL;
}

static const struct paced_calls paced_calls = {.outbox = paced_outbox, .send = paced_send};

void session_push(struct session *s, struct packet *p)
{
    bool is_control = p->kind == PACKET_CONTROL;
    struct outbox_tools tools = session_tools(s);

    if (!outbox_push(&s->outbox, p, &tools)) {
        session_doom(s);
        return;
    }
    session_mark_dirty(s);
    /* Many senders may fill a queue within one turn: write early rather than drop. */
    if (!is_control && outbox_bytes(&s->outbox) >= FLUSH_EARLY && !conn_is_blocked(s->conn))
        flush(s);
}

void session_push_bytes(struct session *s, const void *bytes, size_t n)
{
    struct packet *p;

    if (n == 0)
        return;
    p = packet_new(s->worker->pool, n, PACKET_CONTROL);
    memcpy(p->data, bytes, n);
    session_push(s, p);
}

/* Fills by class until at least goal bytes are there. */
static size_t fill(struct session *s, uint8_t *out, size_t room, size_t goal,
                   enum outbox_class class)
{
    struct outbox_tools tools = session_tools(s);

    return s->tunnel != NULL ? tunnel_fill(s, out, room, goal, class)
                             : outbox_fill(&s->outbox, out, room, goal, class, &tools);
}

/* Under an uplink no more than its turn allows. */
static size_t fill_in_turn(struct session *s, uint8_t *out, size_t room)
{
    struct paced *p = &s->paced;
    size_t n;

    if (!session_is_paced(s)) {
        n = fill(s, out, room, room, OUTBOX_ALL);
        pacer_note(&s->worker->pacer, n);
        return n;
    }
    if (p->budget == 0)
        return 0;
    n = fill(s, out, room, p->budget, p->class);
    p->budget -= n < p->budget ? n : p->budget;
    p->sent += n;
    return n;
}

static size_t on_fill(void *owner, uint8_t *out, size_t room)
{
    struct session *s = owner;
    size_t n = fill_in_turn(s, out, room);

    if (s->outbox.lanes[PACKET_CONTROL].head == NULL)
        s->pong_waits = false;
    return n;
}

static bool has_something(const struct session *s)
{
    return !outbox_empty(&s->outbox) || (s->tunnel != NULL && s->tunnel->control.len > 0);
}

static void on_drained(void *owner)
{
    struct session *s = owner;

    if (session_is_paced(s) && !s->paced.is_queued && has_something(s))
        session_mark_dirty(s); /* its turn will come */
    if (s->is_held)
        login_caught_up(s);
}

void session_finish(struct session *s)
{
    s->state = SESSION_FINISHING;
    conn_finish(s->conn, FINISH_MS);
}

void session_protocol_error(struct session *s, const char *what)
{
    count(&s->worker->counters, COUNTER_PROTOCOL_ERROR, 1);
    session_close(s, CONN_END_LOCAL, what);
}

static void gauge(atomic_uint_fast64_t *g, bool applies, bool is_here)
{
    if (applies)
        atomic_fetch_add_explicit(g, is_here ? 1 : UINT64_MAX, memory_order_relaxed);
}

void session_gauges(struct session *s, bool is_here)
{
    struct worker *w = s->worker;

    gauge(&w->clients, true, is_here);
    gauge(&w->home, s->is_home, is_here);
    gauge(&w->not_ideal, (s->member.flags & PEER_PRESENT_NOT_IDEAL) != 0, is_here);
    gauge(&w->probers, (s->member.flags & PEER_PRESENT_PROBER) != 0, is_here);
    gauge(&w->websockets, s->tunnel != NULL, is_here);
}

/* --- Events of the connection --------------------------------------------------------------- */

/* Bytes of the stream, by state. */
size_t session_take(struct session *s, const uint8_t *data, size_t n, size_t *want)
{
    bool tunnelled = s->tunnel != NULL;
    size_t used = 0, step;

    while (used < n) {
        switch (s->state) {
        case SESSION_HTTP:
            if (login_is_behind(s))
                return used;
            step = login_http(s, data + used, n - used);
            break;
        case SESSION_LOGIN:
            step = login_data(s, data + used, n - used, want);
            break;
        case SESSION_DERP:
            return used + exchange_data(s, data + used, n - used, want);
        case SESSION_ADMISSION:
            return used;
        default:
            return n;
        }
        if (step == 0)
            break;
        used += step;
        if (s->tunnel != NULL && !tunnelled) /* the upgrade was just answered */
            return used + tunnel_take(s, data + used, n - used, session_take);
    }
    return used;
}

static size_t on_data(void *owner, const uint8_t *data, size_t n, size_t *want)
{
    struct session *s = owner;

    pacer_note_received(&s->worker->pacer, n);
    if (s->tunnel != NULL)
        return tunnel_take(s, data, n, session_take);
    return session_take(s, data, n, want);
}

static void on_deadline(void *owner)
{
    static const uint8_t keep_alive[FRAME_HEADER_LEN] = {FRAME_KEEP_ALIVE};
    struct session *s = owner;

    switch (s->state) {
    case SESSION_DERP:
        conn_deadline(s->conn, KEEP_ALIVE_MS + randombytes_uniform(KEEP_ALIVE_JITTER_MS));
        session_push_bytes(s, keep_alive, sizeof keep_alive);
        exchange_check_fight(s);
        return;
    case SESSION_PROXY:
        count(&s->worker->counters, COUNTER_PROXY_TIMEOUT, 1);
        break;
    case SESSION_HANDSHAKE:
        count(&s->worker->counters, COUNTER_HANDSHAKE_TIMEOUT, 1);
        break;
    case SESSION_LOGIN:
    case SESSION_ADMISSION:
        count(&s->worker->counters, COUNTER_LOGIN_TIMEOUT, 1);
        break;
    default:
        break;
    }
    conn_close(s->conn, CONN_END_LOCAL, "too slow");
}

static void count_end(struct session *s, enum conn_end end)
{
    struct counters *c = &s->worker->counters;

    if (end == CONN_END_CHALLENGE)
        count(c, COUNTER_HANDSHAKE_CHALLENGE, 1);
    else if (s->state == SESSION_HANDSHAKE && end != CONN_END_LOCAL)
        count(c, COUNTER_HANDSHAKE_FAILED, 1);
    else if (end == CONN_END_STALLED)
        count(c, COUNTER_STALLED, 1);
}

static void on_end(void *owner, enum conn_end end, const char *reason)
{
    struct session *s = owner;
    struct worker *w = s->worker;
    struct outbox_tools tools = session_tools(s);
    char peer[ENDPOINT_TEXT];

    if (log_shows(LOG_LEVEL_DEBUG))
        log_debug("%s: connection ended: %s%s%s", endpoint_print(&s->peer, peer),
                  conn_end_name(end), reason[0] == '\0' ? "" : ": ", reason);
    count_end(s, end);
    prelogin_remove(s);
    pacer_remove(&w->pacer, &s->paced);
    if (s->is_dirty)
        DL_DELETE2(w->dirty, s, dirty_prev, dirty_next);
    worker_free_slot(w, s->handle);
    if (s->member.handle != 0) {
        exchange_left(s);
        session_gauges(s, false);
    }
    outbox_clear(&s->outbox, &tools);
    packet_free(w->pool, s->server_info);
    atomic_fetch_sub_explicit(&w->connections, 1, memory_order_relaxed);
    tunnel_free(s->tunnel);
    free(s->destinations);
    free((char *)(uintptr_t)s->member.app_name);
    free(s);
}

static const struct conn_events session_events = {
    .on_preface = proxied_preface,
    .on_ready = login_ready,
    .on_data = on_data,
    .on_fill = on_fill,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_end = on_end,
};

void session_new(struct worker *w, int fd, enum relay_port port, const struct endpoint *peer)
{
    struct conn_options opt = {
        .loop = w->loop,
        .scratch = w->scratch,
        .tls = port == RELAY_PORT_HTTP ? NULL : w->tls,
        .write_timeout_ms = WRITE_TIMEOUT_MS,
        .keep_max = HELLO_CLIENT_INFO_MAX + FRAME_HEADER_LEN,
        .has_preface = port == RELAY_PORT_PROXY,
        .is_newcomer = true,
    };
    static const enum session_state begin[] = {[RELAY_PORT_TLS] = SESSION_HANDSHAKE,
                                               [RELAY_PORT_HTTP] = SESSION_HTTP,
                                               [RELAY_PORT_PROXY] = SESSION_PROXY};
    struct session *s;

    if (w->draining || (port != RELAY_PORT_HTTP && w->tls == NULL)) {
        close(fd);
        atomic_fetch_sub_explicit(&w->connections, 1, memory_order_relaxed);
        return;
    }
    s = mem_alloc(1, sizeof *s);
    s->worker = w;
    s->paced.calls = &paced_calls;
    s->port = port;
    s->peer = *peer;
    s->state = begin[port];
    s->handle = worker_take_slot(w, s, NULL);
    s->conn = conn_accept(&opt, fd, &session_events, s);
    conn_deadline(s->conn, HANDSHAKE_TIMEOUT_MS);
    count(&w->counters, COUNTER_ACCEPTED, 1);
    prelogin_add(s);
}

void session_restarting(struct session *s, int64_t bound_ms)
{
    struct outbox_tools tools = session_tools(s);
    struct packet *p;

    if (s->state == SESSION_DERP) {
        /* Come back at once: a restarted relay listens again within a second. */
        p = packet_new(s->worker->pool, FRAME_RESTARTING_LEN, PACKET_CONTROL);
        frame_write_restarting(p->data, 0, 10000);
        outbox_push(&s->outbox, p, &tools);
    }
    s->state = SESSION_FINISHING;
    conn_finish(s->conn, bound_ms);
}
