/* SPDX-License-Identifier: Apache-2.0 */
/* One client, from the accepted socket to its end: TLS, HTTP, login. Frames are exchange.c's. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/log.h"
#include "base/mem.h"
#include "derp/relay/http_answer.h"
#include "derp/relay/internal.h"
#include "derp/wire/hello.h"
#include "derp/wire/http.h"

#define ANSWER_MAX 16384

/* --- Output --------------------------------------------------------------------------------- */

void session_mark_dirty(struct session *s)
{
    if (s->is_dirty || conn_is_blocked(s->conn))
        return; /* a blocked connection asks for more by itself */
    s->is_dirty = true;
    DL_APPEND2(s->worker->dirty, s, dirty_prev, dirty_next);
}

static void count_head_drop(void *arg, const struct packet *p)
{
    struct session *s = arg;

    count_drop(s->worker, COUNTER_DROP_HEAD_DISCO, p);
}

/* No frame is taken any more, also not of those that are being read right now. */
static void session_close(struct session *s, enum conn_end why, const char *reason)
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

void session_turn_end(struct session *s)
{
    if (s->is_doomed)
        conn_close(s->conn, CONN_END_STALLED, "too many control frames wait");
    else
        conn_flush(s->conn);
}

void session_push(struct session *s, struct packet *p)
{
    bool is_control = p->kind == PACKET_CONTROL;

    if (!outbox_push(&s->outbox, s->worker->pool, p, count_head_drop, s)) {
        session_doom(s);
        return;
    }
    session_mark_dirty(s);
    /* Many senders may fill a queue within one turn: write early rather than drop. */
    if (!is_control && outbox_bytes(&s->outbox) >= FLUSH_EARLY && !conn_is_blocked(s->conn))
        conn_flush(s->conn);
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

static size_t on_fill(void *owner, uint8_t *out, size_t room)
{
    struct session *s = owner;

    if (s->tunnel != NULL)
        return tunnel_fill(s, out, room);
    return outbox_fill(&s->outbox, s->worker->pool, out, room);
}

static void on_drained(void *owner)
{
    struct session *s = owner;

    s->pong_waits = false;
}

/* --- Before the login ----------------------------------------------------------------------- */

/* Strangers may hold only so much: the oldest that has not logged in makes room. */
static void prelogin_add(struct session *s)
{
    struct worker *w = s->worker;

    DL_APPEND2(w->prelogin, s, prelogin_prev, prelogin_next);
    s->is_prelogin = true;
    if (++w->prelogin_count > PRELOGIN_MAX) {
        count(&w->counters, COUNTER_EVICTED, 1);
        conn_close(w->prelogin->conn, CONN_END_LOCAL, "evicted");
    }
}

static void prelogin_remove(struct session *s)
{
    if (!s->is_prelogin)
        return;
    DL_DELETE2(s->worker->prelogin, s, prelogin_prev, prelogin_next);
    s->worker->prelogin_count--;
    s->worker->prelogin_bytes -= s->announced;
    s->announced = 0;
    s->is_prelogin = false;
}

/* A login may be 256 KiB long, which real ones never are: all together get a budget. Whoever has
 * been sending for longest makes room. */
static void announce_login(struct session *s, size_t size)
{
    struct worker *w = s->worker;
    struct session *old, *next;

    if (s->announced > 0 || size <= LOGIN_SMALL)
        return;
    s->announced = (uint32_t)size;
    w->prelogin_bytes += size;
    for (old = w->prelogin; old != NULL && w->prelogin_bytes > PRELOGIN_BYTES; old = next) {
        next = old->prelogin_next;
        if (old->announced == 0 || old == s)
            continue;
        count(&w->counters, COUNTER_EVICTED, 1);
        conn_close(old->conn, CONN_END_LOCAL, "evicted");
    }
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

static void on_ready(void *owner)
{
    struct session *s = owner;

    count(&s->worker->counters, COUNTER_HANDSHAKE_OK, 1);
    s->state = SESSION_HTTP;
    conn_deadline(s->conn, HEAD_TIMEOUT_MS);
}

static void begin_login(struct session *s)
{
    uint8_t key[HELLO_SERVER_KEY_LEN];

    count(&s->worker->counters, COUNTER_HTTP_UPGRADE, 1);
    s->state = SESSION_LOGIN;
    conn_deadline(s->conn, LOGIN_TIMEOUT_MS);
    hello_write_server_key(key, &s->worker->relay->server_key.public_key);
    session_push_bytes(s, key, sizeof key);
}

static void act(struct session *s, enum http_action action, const struct buf *answer)
{
    session_push_bytes(s, answer->data, answer->len);
    if (action == HTTP_ACTION_WEBSOCKET) {
        conn_flush(s->conn); /* the answer itself is not inside a message */
        if (!outbox_empty(&s->outbox)) {
            session_close(s, CONN_END_STALLED, "the answer cannot be written");
            return;
        }
        tunnel_open(s);
    }
    if (action == HTTP_ACTION_DERP || action == HTTP_ACTION_WEBSOCKET) {
        begin_login(s);
        return;
    }
    count(&s->worker->counters, COUNTER_HTTP_REQUEST, 1);
    if (action == HTTP_ACTION_CLOSE)
        session_finish(s);
    else
        conn_deadline(s->conn, HEAD_TIMEOUT_MS);
}

/* A proxy that understands HTTP breaks DERP sooner or later: its owner should know before that. */
static void note_proxy(struct session *s, const struct http_request *r)
{
    static struct log_kind kind;
    char peer[ENDPOINT_TEXT];

    if (!http_was_proxied(r))
        return;
    count(&s->worker->counters, COUNTER_PROXIED, 1);
    log_limited(&kind, LOG_LEVEL_WARNING,
                "a request for DERP came through an HTTP proxy at %s: let it pass TCP through "
                "instead (nginx: stream, not http)",
                endpoint_print_ip(&s->peer, peer));
}

/* One request head. Returns the bytes used. */
static size_t http_data(struct session *s, const uint8_t *data, size_t n)
{
    struct http_site site = {.server_key = s->worker->relay->server_key.public_key,
                             .is_plain = s->port == RELAY_PORT_HTTP,
                             .domain = s->worker->relay->domain};
    struct http_request request;
    struct buf answer;
    size_t used = 0;
    enum http_result r = http_read_request((const char *)data, n, &request, &used);

    if (r == HTTP_INCOMPLETE)
        return 0;
    buf_init(&answer, ANSWER_MAX);
    if (r == HTTP_OK) {
        note_proxy(s, &request);
        act(s, http_answer(&request, &site, &answer), &answer);
    } else {
        count(&s->worker->counters, COUNTER_HTTP_REFUSED, 1);
        http_answer_bad(r, &answer);
        session_push_bytes(s, answer.data, answer.len);
        session_finish(s);
        used = n;
    }
    buf_free(&answer);
    return used;
}

static void log_login(const struct session *s)
{
    char key[NODE_KEY_SHORT], peer[ENDPOINT_TEXT], tls[80] = "";

    if (!log_shows(LOG_LEVEL_DEBUG))
        return;
    if (conn_tls(s->conn) != NULL)
        tls_describe(conn_tls(s->conn), tls, sizeof tls);
    log_debug("%s logged in from %s (%s)", node_key_short(&s->member.key, key),
              endpoint_print(&s->peer, peer), tls);
}

static void logged_in(struct session *s)
{
    struct worker *w = s->worker;
    uint8_t nonce[24];
    struct buf frame;

    prelogin_remove(s);
    s->state = SESSION_DERP;
    s->member.handle = s->handle;
    s->not_here_tokens = NOT_HERE_BURST;
    buf_init(&frame, 1024);
    randombytes_buf(nonce, sizeof nonce);
    hello_write_server_info(&frame, &w->relay->server_key, &s->member.key, nonce);
    session_push_bytes(s, frame.data, frame.len);
    buf_free(&frame);
    /* ServerInfo is queued first: nothing may arrive before it. */
    registry_add(w->relay->registry, &s->member);
    count(&w->counters, COUNTER_LOGIN_OK, 1);
    atomic_fetch_add_explicit(&w->clients, 1, memory_order_relaxed);
    conn_deadline(s->conn, KEEP_ALIVE_MS + randombytes_uniform(KEEP_ALIVE_JITTER_MS));
    log_login(s);
}

static size_t take_stream(struct session *s, const uint8_t *data, size_t n, size_t *want);

/* --- Admission ------------------------------------------------------------------------------ */

/* Who the client says it is was proved by the box it sent; now, may it be here? */
static void ask_admission(struct session *s)
{
    if (admission_is_open(s->worker->relay->admission)) {
        logged_in(s);
        return;
    }
    s->state = SESSION_ADMISSION;
    conn_hold(s->conn, true);
    conn_deadline(s->conn, ADMISSION_WAIT_MS);
    admission_ask(s->worker->relay->admission, s->handle, &s->member.key, &s->peer, false);
}

static void refuse_admission(struct session *s, const struct mail_verdict *m)
{
    static struct log_kind kind;
    char key[NODE_KEY_SHORT], peer[ENDPOINT_TEXT];

    count(&s->worker->counters, COUNTER_LOGIN_REFUSED, 1);
    log_limited(&kind, LOG_LEVEL_NOTICE, "%s from %s may not use this relay: %s",
                node_key_short(&s->member.key, key), endpoint_print_ip(&s->peer, peer), m->reason);
    session_close(s, CONN_END_LOCAL, "not admitted");
}

static void revoke_admission(struct session *s, const struct mail_verdict *m)
{
    char key[NODE_KEY_SHORT];

    count(&s->worker->counters, COUNTER_REVOKED, 1);
    log_notice("%s may not use this relay any more: %s", node_key_short(&s->member.key, key),
               m->reason);
    session_close(s, CONN_END_LOCAL, "no longer admitted");
}

void session_verdict(struct session *s, const struct mail_verdict *m)
{
    static const enum counter_id counter[] = {[ADMISSION_ADMIT] = COUNTER_ADMITTED,
                                              [ADMISSION_REFUSE] = COUNTER_REFUSED,
                                              [ADMISSION_UNSURE] = COUNTER_UNSURE};

    count(&s->worker->counters, counter[m->verdict], 1);
    if (m->is_recheck) {
        /* A source that is down must not throw out those it admitted when it was up. */
        if (s->state == SESSION_DERP && m->verdict == ADMISSION_REFUSE)
            revoke_admission(s, m);
        return;
    }
    if (s->state != SESSION_ADMISSION)
        return;
    if (m->verdict != ADMISSION_ADMIT) {
        refuse_admission(s, m);
        return;
    }
    logged_in(s);
    /* Frames that the client did not wait with. */
    if (s->tunnel != NULL)
        tunnel_take(s, NULL, 0, take_stream);
    conn_hold(s->conn, false);
}

void session_recheck(struct session *s)
{
    if (s->state == SESSION_DERP)
        admission_ask(s->worker->relay->admission, s->handle, &s->member.key, &s->peer, true);
}

static size_t login_data(struct session *s, const uint8_t *data, size_t n, size_t *want)
{
    static struct log_kind kind;
    struct client_info info;
    struct frame frame;
    struct fault f;
    size_t used = 0;
    enum frame_result r = frame_decode(data, n, &frame, &used, want);

    if (r == FRAME_INCOMPLETE && (n < 1 || data[0] == FRAME_CLIENT_INFO)) {
        announce_login(s, *want);
        return 0;
    }
    if (r == FRAME_OK && frame.type == FRAME_CLIENT_INFO &&
        hello_read_client_info(frame.payload, frame.len, &s->worker->relay->server_key, &info,
                               &f)) {
        s->member.key = info.key;
        sodium_memzero(&info, sizeof info);
        ask_admission(s);
        return used;
    }
    if (r != FRAME_OK || frame.type != FRAME_CLIENT_INFO)
        fault_set(&f, "the first frame is not a ClientInfo");
    count(&s->worker->counters, COUNTER_LOGIN_FAILED, 1);
    log_limited(&kind, LOG_LEVEL_INFO, "login refused: %s", f.text);
    session_close(s, CONN_END_LOCAL, f.text);
    return n;
}

/* --- Events of the connection --------------------------------------------------------------- */

/* Bytes of the stream, by state. */
static size_t take_stream(struct session *s, const uint8_t *data, size_t n, size_t *want)
{
    bool tunnelled = s->tunnel != NULL;
    size_t used = 0, step;

    while (used < n) {
        switch (s->state) {
        case SESSION_HTTP:
            step = http_data(s, data + used, n - used);
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
            return used + tunnel_take(s, data + used, n - used, take_stream);
    }
    return used;
}

static size_t on_data(void *owner, const uint8_t *data, size_t n, size_t *want)
{
    struct session *s = owner;

    if (s->tunnel != NULL)
        return tunnel_take(s, data, n, take_stream);
    return take_stream(s, data, n, want);
}

static void on_deadline(void *owner)
{
    static const uint8_t keep_alive[FRAME_HEADER_LEN] = {FRAME_KEEP_ALIVE};
    struct session *s = owner;

    switch (s->state) {
    case SESSION_DERP:
        conn_deadline(s->conn, KEEP_ALIVE_MS + randombytes_uniform(KEEP_ALIVE_JITTER_MS));
        session_push_bytes(s, keep_alive, sizeof keep_alive);
        return;
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

static void count_gone_drop(void *arg, const struct packet *p)
{
    struct session *s = arg;

    count_drop(s->worker, COUNTER_DROP_GONE_DISCO, p);
}

static void on_end(void *owner, enum conn_end end, const char *reason)
{
    struct session *s = owner;
    struct worker *w = s->worker;
    char peer[ENDPOINT_TEXT];

    if (log_shows(LOG_LEVEL_DEBUG))
        log_debug("%s: connection ended: %s%s%s", endpoint_print(&s->peer, peer),
                  conn_end_name(end), reason[0] == '\0' ? "" : ": ", reason);
    count_end(s, end);
    prelogin_remove(s);
    if (s->is_dirty)
        DL_DELETE2(w->dirty, s, dirty_prev, dirty_next);
    worker_free_slot(w, s->handle);
    if (s->member.handle != 0) {
        exchange_left(s);
        atomic_fetch_sub_explicit(&w->clients, 1, memory_order_relaxed);
        if (s->is_home)
            atomic_fetch_sub_explicit(&w->home, 1, memory_order_relaxed);
    }
    outbox_clear(&s->outbox, w->pool, count_gone_drop, s);
    atomic_fetch_sub_explicit(&w->connections, 1, memory_order_relaxed);
    tunnel_free(s->tunnel);
    free(s->destinations);
    free(s);
}

static const struct conn_events session_events = {
    .on_ready = on_ready,
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
        .tls = port == RELAY_PORT_TLS ? w->tls : NULL,
        .write_timeout_ms = WRITE_TIMEOUT_MS,
        .keep_max = HELLO_CLIENT_INFO_MAX + FRAME_HEADER_LEN,
    };
    struct session *s;

    if (w->draining || (port == RELAY_PORT_TLS && w->tls == NULL)) {
        close(fd);
        atomic_fetch_sub_explicit(&w->connections, 1, memory_order_relaxed);
        return;
    }
    s = mem_alloc(1, sizeof *s);
    s->worker = w;
    s->port = port;
    s->peer = *peer;
    s->state = port == RELAY_PORT_TLS ? SESSION_HANDSHAKE : SESSION_HTTP;
    s->handle = worker_take_slot(w, s);
    s->conn = conn_accept(&opt, fd, &session_events, s);
    conn_deadline(s->conn, HANDSHAKE_TIMEOUT_MS);
    count(&w->counters, COUNTER_ACCEPTED, 1);
    prelogin_add(s);
}

void session_restarting(struct session *s, int64_t bound_ms)
{
    struct packet *p;

    if (s->state == SESSION_DERP) {
        /* Come back at once: a restarted relay listens again within a second. */
        p = packet_new(s->worker->pool, FRAME_RESTARTING_LEN, PACKET_CONTROL);
        frame_write_restarting(p->data, 0, 10000);
        outbox_push(&s->outbox, s->worker->pool, p, NULL, NULL);
    }
    s->state = SESSION_FINISHING;
    conn_finish(s->conn, bound_ms);
}
