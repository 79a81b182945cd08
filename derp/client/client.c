/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/client/client.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/translate.h"
#include "derp/client/handshake.h"
#include "derp/wire/frame.h"

#define KEEP_MAX   (FRAME_HEADER_LEN + FRAME_UNKNOWN_MAX)
#define LOGIN_ROOM 4096 /* of the send buffer, for the request and ClientInfo */

enum client_phase {
    CLIENT_CONNECTING, /* TCP and TLS */
    CLIENT_LOGIN,
    CLIENT_OPEN,
    CLIENT_CLOSED, /* on_end is due */
};

struct derp_client {
    struct conn *conn;
    struct loop *loop;
    const struct derp_client_events *events;
    void *owner;
    struct keypair keys;
    struct client_info info;
    struct handshake handshake;
    struct buf out;
    size_t out_at; /* what of out has been sent */
    char *host;    /* Host header */
    bool fast_start;
    bool has_peer;
    struct tls_peer peer;
    bool corked;
    bool drain_due; /* bytes went out since on_drained was called */
    unsigned depth; /* callbacks under way: what they send goes out when they return */
    int connect_timeout_ms;
    int login_timeout_ms;
    int idle_timeout_ms;
    int64_t heard_ms; /* when the server was last heard */
    enum client_phase phase;
    struct fault fault; /* why it ends, once known */
};

void derp_client_defaults(struct derp_client_options *opt)
{
    memset(opt, 0, sizeof(*opt));
    opt->fast_start = true;
    opt->connect_timeout_ms = 10000;
    opt->login_timeout_ms = 10000;
    opt->idle_timeout_ms = 120000;
    opt->write_timeout_ms = 10000;
    opt->send_max = 1024 * 1024;
}

/* --- Ending ---------------------------------------------------------------------------------- */

/* Ends with a reason; the first one counts. */
static void end_with(struct derp_client *c, const char *reason)
{
    if (c->phase == CLIENT_CLOSED)
        return;
    if (reason != c->fault.text)
        fault_set(&c->fault, "%s", reason);
    c->phase = CLIENT_CLOSED;
    conn_close(c->conn, CONN_END_LOCAL, "");
}

void derp_client_close(struct derp_client *c)
{
    end_with(c, "closed by us");
}

/* Where an unexpected end came, in words. */
static const char *waiting_for(const struct derp_client *c)
{
    switch (c->phase) {
    case CLIENT_CONNECTING:
        return N_("the connection");
    case CLIENT_LOGIN:
        return handshake_step_name(c->handshake.step);
    default:
        return N_("packets");
    }
}

static void on_end(void *owner, enum conn_end end, const char *reason)
{
    struct derp_client *c = owner;

    if (c->phase == CLIENT_CONNECTING)
        fault_set(&c->fault, "cannot connect to %s: %s", c->host,
                  reason[0] ? reason : "the server closed the connection");
    else if (c->phase != CLIENT_CLOSED)
        fault_set(&c->fault, "%s while waiting for %s%s%s",
                  end == CONN_END_PEER ? "the server closed the connection"
                                       : "the connection broke",
                  waiting_for(c), reason[0] ? ": " : "", reason);
    c->phase = CLIENT_CLOSED;
    if (c->events->on_closed)
        c->events->on_closed(c->owner, c->fault.text);
    buf_free(&c->out);
    keypair_wipe(&c->keys);
    mem_wipe(&c->info, sizeof(c->info));
    mem_wipe(&c->handshake, sizeof(c->handshake));
    free(c->host);
    free(c);
}

/* --- Sending --------------------------------------------------------------------------------- */

static size_t waiting(const struct derp_client *c)
{
    return c->out.len - c->out_at;
}

/* The queue ran empty: the owner may go on. What it sends joins the write that is under way. */
static void tell_drained(struct derp_client *c)
{
    c->drain_due = false;
    if (c->phase != CLIENT_OPEN || !c->events->on_drained)
        return;
    c->depth++;
    c->events->on_drained(c->owner);
    c->depth--;
}

static size_t on_fill(void *owner, uint8_t *out, size_t room)
{
    struct derp_client *c = owner;
    size_t n;

    if (waiting(c) == 0 && c->drain_due)
        tell_drained(c);
    if (c->phase == CLIENT_OPEN && c->events->on_fill) {
        n = c->events->on_fill(c->owner, out, room, waiting(c) > 0);
        if (n > 0 || waiting(c) == 0)
            return n;
    }
    n = waiting(c) < room ? waiting(c) : room;
    if (n == 0 || c->phase == CLIENT_CLOSED)
        return 0;
    memcpy(out, c->out.data + c->out_at, n);
    c->out_at += n;
    if (c->out_at == c->out.len)
        c->out_at = c->out.len = 0;
    c->drain_due = true;
    return n;
}

/* Writes what waits, unless a callback is running that will do so, or the owner wants to wait. */
static void flush(struct derp_client *c)
{
    if (c->depth == 0 && !c->corked && c->phase != CLIENT_CLOSED && waiting(c) > 0)
        conn_flush(c->conn);
}

/* Appends a frame: header, then one or two parts. */
static bool queue(struct derp_client *c, enum frame_type type, const void *a, size_t a_len,
                  const void *b, size_t b_len)
{
    uint8_t head[FRAME_HEADER_LEN];
    size_t n = sizeof(head) + a_len + b_len;

    if (c->phase != CLIENT_OPEN || n > c->out.max - waiting(c))
        return false;
    if (n > c->out.max - c->out.len) {
        buf_consume(&c->out, c->out_at);
        c->out_at = 0;
    }
    frame_put_header(head, type, a_len + b_len);
    buf_append(&c->out, head, sizeof(head));
    buf_append(&c->out, a, a_len);
    buf_append(&c->out, b, b_len);
    flush(c);
    return true;
}

bool derp_client_send(struct derp_client *c, const struct node_key *dst, const void *packet,
                      size_t len)
{
    if (len > FRAME_PACKET_MAX)
        return false;
    return queue(c, FRAME_SEND_PACKET, dst->bytes, KEY_LEN, packet, len);
}

bool derp_client_ping(struct derp_client *c, const uint8_t data[static 8])
{
    return queue(c, FRAME_PING, data, 8, "", 0);
}

bool derp_client_note_preferred(struct derp_client *c, bool home)
{
    const uint8_t byte = home;

    return queue(c, FRAME_NOTE_PREFERRED, &byte, 1, "", 0);
}

bool derp_client_watch(struct derp_client *c)
{
    return queue(c, FRAME_WATCH_CONNS, "", 0, "", 0);
}

void derp_client_flush(struct derp_client *c)
{
    if (c->phase == CLIENT_OPEN && c->depth == 0 && !c->corked)
        conn_flush(c->conn);
}

void derp_client_cork(struct derp_client *c, bool cork)
{
    c->corked = cork;
    flush(c);
}

/* --- Login ----------------------------------------------------------------------------------- */

static void on_connected(void *owner)
{
    struct derp_client *c = owner;
    const struct node_key *known = NULL;
    uint8_t nonce[24];

    c->has_peer = conn_tls(c->conn) && tls_peer(conn_tls(c->conn), &c->peer);
    if (c->fast_start && c->has_peer && c->peer.is_tls13 && c->peer.has_meta)
        known = &c->peer.meta_key;
    randombytes_buf(nonce, sizeof(nonce));
    c->phase = CLIENT_LOGIN;
    conn_deadline(c->conn, c->login_timeout_ms);
    if (!handshake_start(&c->handshake, c->host, &c->keys, &c->info, known, nonce, &c->out)) {
        end_with(c, "the login cannot be made for this server's key");
        return;
    }
    flush(c);
}

static void become_open(struct derp_client *c)
{
    c->phase = CLIENT_OPEN;
    c->heard_ms = loop_now_ms(c->loop);
    conn_deadline(c->conn, c->idle_timeout_ms > 0 ? c->idle_timeout_ms : -1);
    if (c->events->on_ready)
        c->events->on_ready(c->owner);
}

static size_t take_login(struct derp_client *c, const uint8_t *data, size_t n, size_t *want)
{
    size_t used = 0;

    switch (handshake_feed(&c->handshake, data, n, &used, want, &c->out, &c->fault)) {
    case HANDSHAKE_MORE:
        break;
    case HANDSHAKE_DONE:
        become_open(c);
        break;
    case HANDSHAKE_FAILED:
        end_with(c, c->fault.text);
        break;
    }
    return used;
}

/* --- Receiving ------------------------------------------------------------------------------- */

static size_t take_frames(struct derp_client *c, const uint8_t *data, size_t n, size_t *want)
{
    size_t done = 0;

    c->heard_ms = loop_now_ms(c->loop);
    while (c->phase == CLIENT_OPEN && done < n) {
        struct frame frame;
        size_t used;

        switch (frame_decode(data + done, n - done, &frame, &used, want)) {
        case FRAME_OK:
            derp_client_dispatch(&frame, c->events, c->owner, &c->out);
            done += used;
            *want = 0;
            break;
        case FRAME_INCOMPLETE:
            return done;
        case FRAME_TOO_LONG:
            end_with(c, "the server sent a frame that is longer than DERP allows");
            break;
        }
    }
    return done;
}

static size_t on_data(void *owner, const uint8_t *data, size_t n, size_t *want)
{
    struct derp_client *c = owner;
    size_t used = 0;

    c->depth++;
    if (c->phase == CLIENT_LOGIN)
        used = take_login(c, data, n, want);
    if (c->phase == CLIENT_OPEN)
        used += take_frames(c, data + used, n - used, want);
    c->depth--;
    flush(c);
    return used;
}

static void on_deadline(void *owner)
{
    struct derp_client *c = owner;
    int64_t silent_ms = loop_now_ms(c->loop) - c->heard_ms;

    if (c->phase == CLIENT_OPEN && silent_ms < c->idle_timeout_ms) {
        conn_deadline(c->conn, c->idle_timeout_ms - silent_ms);
        return;
    }
    fault_set(&c->fault, "%s: no answer within %d ms while waiting for %s", c->host,
              c->phase == CLIENT_CONNECTING ? c->connect_timeout_ms
              : c->phase == CLIENT_LOGIN    ? c->login_timeout_ms
                                            : c->idle_timeout_ms,
              waiting_for(c));
    end_with(c, c->fault.text);
}

/* --- Making ---------------------------------------------------------------------------------- */

static const struct conn_events conn_calls = {
    .on_ready = on_connected,
    .on_data = on_data,
    .on_fill = on_fill,
    .on_deadline = on_deadline,
    .on_end = on_end,
};

/* "name", "name:port" unless it is 443; IPv6 literals in brackets. */
static char *host_header(const char *name, uint16_t port)
{
    const char *open = strchr(name, ':') ? "[" : "";
    const char *close = open[0] ? "]" : "";

    if (port == 443)
        return mem_printf("%s%s%s", open, name, close);
    return mem_printf("%s%s%s:%u", open, name, close, port);
}

struct derp_client *derp_client_connect(const struct derp_client_options *opt,
                                        const struct derp_client_events *events, void *owner,
                                        struct fault *f)
{
    struct derp_client *c = mem_alloc(1, sizeof(*c));
    const struct conn_options conn_opt = {
        .loop = opt->loop,
        .scratch = opt->scratch,
        .tls = opt->tls,
        .connect_name = opt->name,
        .write_timeout_ms = opt->write_timeout_ms,
        .keep_max = KEEP_MAX,
    };
    char text[ENDPOINT_TEXT];

    c->loop = opt->loop;
    c->events = events;
    c->owner = owner;
    c->keys = *opt->keys;
    if (opt->info)
        c->info = *opt->info;
    c->info.version = HELLO_PROTOCOL_VERSION;
    c->info.can_ack_pings = true; /* they are answered in derp_client_dispatch */
    c->fast_start = opt->fast_start;
    c->connect_timeout_ms = opt->connect_timeout_ms;
    c->login_timeout_ms = opt->login_timeout_ms;
    c->idle_timeout_ms = opt->idle_timeout_ms;
    c->host = host_header(opt->name, endpoint_port(&opt->to));
    buf_init(&c->out, opt->send_max > LOGIN_ROOM ? opt->send_max : LOGIN_ROOM);
    c->conn = conn_connect(&conn_opt, &opt->to, &conn_calls, c);
    if (c->conn) {
        conn_deadline(c->conn, c->connect_timeout_ms);
        return c;
    }
    fault_errno(f, "cannot connect to %s", endpoint_print(&opt->to, text));
    keypair_wipe(&c->keys);
    mem_wipe(&c->info, sizeof(c->info));
    free(c->host);
    free(c);
    return NULL;
}

const struct node_key *derp_client_server_key(const struct derp_client *c)
{
    return &c->handshake.server_key;
}

bool derp_client_was_fast(const struct derp_client *c)
{
    return c->handshake.fast;
}

bool derp_client_peer(const struct derp_client *c, struct tls_peer *peer)
{
    if (c->has_peer)
        *peer = c->peer;
    return c->has_peer;
}
