/* SPDX-License-Identifier: Apache-2.0 */
/* From TLS to the login: HTTP, the upgrade, ClientInfo, admission. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "derp/relay/http_answer.h"
#include "derp/relay/internal.h"
#include "derp/wire/hello.h"
#include "derp/wire/http.h"

#define CHALLENGE_MAX 1024 /* bytes of a key authorization; a CA reads fewer */
#define ANSWER_MAX    (HTTP_PAGE_MAX + 16384)

/* --- Before the login ----------------------------------------------------------------------- */

/* Strangers may hold only so much: the oldest that has not logged in makes room. */
void prelogin_add(struct session *s)
{
    struct worker *w = s->worker;

    DL_APPEND2(w->prelogin, s, prelogin_prev, prelogin_next);
    s->is_prelogin = true;
    if (++w->prelogin_count > PRELOGIN_MAX) {
        count(&w->counters, COUNTER_EVICTED, 1);
        conn_close(w->prelogin->conn, CONN_END_LOCAL, "evicted");
    }
}

static void take_back_announcement(struct session *s)
{
    s->worker->prelogin_bytes -= s->announced;
    s->announced = 0;
}

void prelogin_remove(struct session *s)
{
    if (!s->is_prelogin)
        return;
    DL_DELETE2(s->worker->prelogin, s, prelogin_prev, prelogin_next);
    s->worker->prelogin_count--;
    take_back_announcement(s);
    s->is_prelogin = false;
}

/* A login may be 256 KiB long, which real ones never are, and somebody may ask and not read: all
 * together get a budget. Whoever has been here for longest makes room. */
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

void login_ready(void *owner)
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
    const char *sign = http_proxy_sign(r);

    if (sign == NULL)
        return;
    relay_note_proxied(s->worker->relay, sign, &s->peer);
    count(&s->worker->counters, COUNTER_PROXIED, 1);
    log_limited(&kind, LOG_LEVEL_WARNING,
                "a request for DERP came through an HTTP proxy at %s (%s): let it pass TCP "
                "through instead (nginx: stream, not http)",
                endpoint_print_ip(&s->peer, peer), sign);
}

/* A client of the region that would rather be on another node of it. */
static void note_ideal(struct session *s, const struct http_request *r)
{
    if (http_header(r, "Ideal-Node").n > 0)
        s->member.flags |= PEER_PRESENT_NOT_IDEAL;
    else
        s->member.flags &= (uint8_t)~PEER_PRESENT_NOT_IDEAL;
}

static void refuse_request(struct session *s, enum http_result why, const struct http_site *site,
                           struct buf *answer)
{
    count(&s->worker->counters, COUNTER_HTTP_REFUSED, 1);
    http_answer_bad(why, site, answer);
    session_push_bytes(s, answer->data, answer->len);
    session_finish(s);
}

static void answer_request(struct session *s, const struct http_request *r,
                           const struct http_site *site, struct buf *answer)
{
    enum http_result result = http_check(r);

    if (result == HTTP_OK) {
        note_proxy(s, r);
        note_ideal(s, r);
        act(s, http_answer(r, site, answer), answer);
        return;
    }
    refuse_request(s, result, site, answer);
}

/* Whoever asks without reading gets no more answers than fit; the rest of his requests waits. */
bool login_is_behind(struct session *s)
{
    if (outbox_bytes(&s->outbox) < ANSWERS_AHEAD)
        return false;
    conn_flush(s->conn);
    if (outbox_bytes(&s->outbox) < ANSWERS_AHEAD)
        return false;
    s->is_held = true;
    announce_login(s, HELD_SIZE);
    conn_hold(s->conn, true);
    return true;
}

void login_caught_up(struct session *s)
{
    s->is_held = false;
    take_back_announcement(s);
    conn_hold(s->conn, false);
}

/* An answer to http-01 that derp-acme left, for port 80 alone: that is where a CA asks. */
static void find_challenge(struct session *s, const struct http_request *r, struct http_site *site,
                           struct buf *text)
{
    char token[HTTP_TOKEN_MAX];

    if (site->is_plain && http_challenge_token(r, token) &&
        site_key_authorization(s->worker->relay->site, token, text))
        site->key_authorization = buf_text(text);
}

/* One request head. Returns the bytes used. */
size_t login_http(struct session *s, const uint8_t *data, size_t n)
{
    struct relay *relay = s->worker->relay;
    struct http_site site = {.server_key = relay->server_key.public_key,
                             .is_plain = s->port == RELAY_PORT_HTTP,
                             .domain = relay->domain,
                             .now = clock_wall()};
    struct http_request request;
    struct site_visit visit;
    struct buf answer, challenge;
    size_t used = n;
    enum http_result r = http_read_request((const char *)data, n, &request, &used);

    if (r == HTTP_INCOMPLETE)
        return 0;
    buf_init(&answer, ANSWER_MAX);
    buf_init(&challenge, CHALLENGE_MAX);
    site_enter(relay->site, &visit, &site);
    if (r == HTTP_OK) {
        find_challenge(s, &request, &site, &challenge);
        answer_request(s, &request, &site, &answer);
    } else {
        refuse_request(s, r, &site, &answer);
    }
    site_leave(relay->site, &visit);
    buf_free(&challenge);
    buf_free(&answer);
    return used;
}

/* Made while the secret is at hand: to find it again costs as much as a signature. */
static struct packet *make_server_info(struct worker *w,
                                       const uint8_t secret[static HELLO_SECRET_LEN])
{
    uint8_t nonce[24];
    struct packet *p;
    struct buf frame;

    buf_init(&frame, 1024);
    randombytes_buf(nonce, sizeof nonce);
    hello_write_server_info(&frame, secret, nonce);
    p = packet_new(w->pool, frame.len, PACKET_CONTROL);
    memcpy(p->data, frame.data, frame.len);
    buf_free(&frame);
    return p;
}

/* What the client said of itself, as far as it is needed later. */
static void remember(struct session *s, const struct client_info *info)
{
    s->server_info = make_server_info(s->worker, info->secret);
    s->member.key = info->key;
    s->member.peer = &s->peer;
    if (info->app_name[0] != '\0')
        s->member.app_name = mem_strdup(info->app_name);
    if (info->is_prober)
        s->member.flags |= PEER_PRESENT_PROBER;
    s->is_mesh = mesh_admits(s->worker->relay->mesh, info);
    if (!s->is_mesh)
        return;
    s->member.flags |= PEER_PRESENT_MESH;
    s->outbox.limits = &outbox_mesh_limits;
    conn_set_write_timeout(s->conn, MESH_WRITE_TIMEOUT_MS);
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
    struct packet *server_info = s->server_info;

    prelogin_remove(s);
    conn_settled(s->conn);
    s->state = SESSION_DERP;
    s->member.handle = s->handle;
    s->not_here_tokens = NOT_HERE_BURST;
    s->server_info = NULL;
    session_push(s, server_info);
    /* ServerInfo is queued first: nothing may arrive before it. */
    registry_add(w->relay->registry, &s->member);
    count(&w->counters, COUNTER_LOGIN_OK, 1);
    if (atomic_load_explicit(&s->member.contested, memory_order_relaxed))
        count(&w->counters, COUNTER_LOGIN_DUPLICATE, 1);
    s->since_ms = loop_now_ms(w->loop);
    session_gauges(s, true);
    conn_deadline(s->conn, KEEP_ALIVE_MS + randombytes_uniform(KEEP_ALIVE_JITTER_MS));
    log_login(s);
}

/* --- Admission ------------------------------------------------------------------------------ */

static void turn_away(struct session *s, bool was_here, const char *reason)
{
    static struct log_kind kinds[2];
    char key[NODE_KEY_SHORT], peer[ENDPOINT_TEXT];

    count(&s->worker->counters, was_here ? COUNTER_REVOKED : COUNTER_LOGIN_REFUSED, 1);
    log_limited(&kinds[was_here], LOG_LEVEL_NOTICE, "%s from %s may not use this relay%s: %s",
                node_key_short(&s->member.key, key), endpoint_print_ip(&s->peer, peer),
                was_here ? " any more" : "", reason);
    session_close(s, CONN_END_LOCAL, was_here ? "no longer admitted" : "not admitted");
}

static bool app_is_refused(struct session *s, char reason[static ADMISSION_REASON])
{
    if (s->member.app_name == NULL ||
        !admission_refuses_app(s->worker->relay->admission, s->member.app_name))
        return false;
    count(&s->worker->counters, COUNTER_REFUSED_APP, 1);
    snprintf(reason, ADMISSION_REASON, "the app \"%s\" is refused", s->member.app_name);
    return true;
}

/* Who the client says it is was proved by the box it sent; now, may it be here? */
static void ask_admission(struct session *s)
{
    struct admission *a = s->worker->relay->admission;
    char reason[ADMISSION_REASON];

    if (!s->is_mesh && app_is_refused(s, reason)) {
        turn_away(s, false, reason);
        return;
    }
    if (s->is_mesh || admission_is_open(a)) {
        logged_in(s);
        return;
    }
    s->state = SESSION_ADMISSION;
    conn_hold(s->conn, true);
    conn_deadline(s->conn, ADMISSION_WAIT_MS);
    admission_ask(a, s->handle, &s->member.key, &s->peer, ADMISSION_LOGIN);
}

void session_recheck(struct session *s, enum admission_why why)
{
    bool *asks = why == ADMISSION_PATROL ? &s->asks_patrol : &s->asks_changed;
    char reason[ADMISSION_REASON];

    if (s->state != SESSION_DERP || s->is_mesh)
        return;
    if (app_is_refused(s, reason)) {
        turn_away(s, true, reason);
        return;
    }
    if (*asks || s->asks_changed || admission_is_open(s->worker->relay->admission))
        return;
    *asks = true;
    admission_ask(s->worker->relay->admission, s->handle, &s->member.key, &s->peer, why);
}

static void login_verdict(struct session *s, const struct admission_answer *a)
{
    char reason[ADMISSION_REASON];

    if (s->state != SESSION_ADMISSION)
        return;
    if (!a->is_admitted) {
        turn_away(s, false, a->reason);
        return;
    }
    if (app_is_refused(s, reason)) { /* since it was asked about */
        turn_away(s, false, reason);
        return;
    }
    logged_in(s);
    if (a->verdict != ADMISSION_ADMIT) /* fail-open: until the sources can be asked */
        session_recheck(s, ADMISSION_CHANGED);
    /* Frames that the client did not wait with. */
    if (s->tunnel != NULL)
        tunnel_take(s, NULL, 0, session_take);
    conn_hold(s->conn, false);
}

void session_verdict(struct session *s, const struct admission_answer *a)
{
    static const enum counter_id counter[] = {[ADMISSION_ADMIT] = COUNTER_ADMITTED,
                                              [ADMISSION_REFUSE] = COUNTER_REFUSED,
                                              [ADMISSION_UNSURE] = COUNTER_UNSURE,
                                              [ADMISSION_BAD_ANSWER] = COUNTER_BAD_ANSWER};

    count(&s->worker->counters, counter[a->verdict], 1);
    if (a->why == ADMISSION_LOGIN) {
        login_verdict(s, a);
        return;
    }
    *(a->why == ADMISSION_PATROL ? &s->asks_patrol : &s->asks_changed) = false;
    if (s->state == SESSION_DERP && !a->is_admitted)
        turn_away(s, true, a->reason);
}

size_t login_data(struct session *s, const uint8_t *data, size_t n, size_t *want)
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
        remember(s, &info);
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
