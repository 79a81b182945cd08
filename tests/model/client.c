/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/client.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "derp/net/tls.h"
#include "derp/wire/hello.h"

#define OUT_MAX      (64 * 1024 * 1024)
#define KEEP_MAX     (FRAME_HEADER_LEN + FRAME_UNKNOWN_MAX)
#define PATIENCE_MS  120000 /* never the reason for an end */
#define RECORDS      32
#define LONG_LOGIN   5000
#define NONCE_LEN    24
#define BOX_OVERHEAD 16

static const char request[] = "GET /derp HTTP/1.1\r\nHost: relay.test\r\nUpgrade: DERP\r\n"
                              "Connection: Upgrade\r\nDerp-Fast-Start: 1\r\n\r\n";

/* --- Sending -------------------------------------------------------------------------------- */

static size_t on_fill(void *owner, uint8_t *out, size_t room)
{
    struct client *c = owner;
    size_t n = c->out.len - c->out_at;

    n = n > c->held_back ? n - c->held_back : 0;
    if (n > c->chunk) /* but no more than some records for all of it */
        n = n / RECORDS > c->chunk ? n / RECORDS : c->chunk;
    n = n < room ? n : room;
    if (n == 0)
        return 0;
    memcpy(out, c->out.data + c->out_at, n);
    c->out_at += n;
    if (c->out_at == c->out.len)
        c->out_at = c->out.len = 0;
    return n;
}

void client_frame(struct client *c, uint8_t type, size_t length, const void *a, size_t a_len,
                  const void *b, size_t b_len)
{
    uint8_t head[FRAME_HEADER_LEN];

    frame_put_header(head, type, length);
    buf_append(&c->out, head, sizeof head);
    if (a_len > 0)
        buf_append(&c->out, a, a_len);
    if (b_len > 0)
        buf_append(&c->out, b, b_len);
}

void client_flush(struct client *c, size_t held_back)
{
    c->held_back = held_back;
    conn_flush(c->conn);
}

/* --- Login ---------------------------------------------------------------------------------- */

static char *login_text(enum client_login login)
{
    static const char *const texts[CLIENT_LOGINS] = {
        [CLIENT_PLAIN] = "{\"version\":2,\"CanAckPings\":true}",
        [CLIENT_SLOW_START] = "{\"version\":2}",
        [CLIENT_EMPTY] = "{}",
        [CLIENT_NULL] = "null",
        [CLIENT_UNKNOWN_MEMBERS] = "{\"a\":[1,{\"b\":null}],\"version\":2,\"c\":\"\\u00e9\"}",
        [CLIENT_OTHER_CASE] = "{\"VERSION\":1,\"canackpings\":true,\"Version\":2}",
        [CLIENT_PROBER] = "{\"version\":2,\"IsProber\":true}",
        [CLIENT_APP_NAME] = "{\"version\":2,\"AppName\":\"model test\"}",
        [CLIENT_INVALID_UTF8] = "{\"version\":2,\"x\":\"\xff\xfe\"}",
        [CLIENT_ZERO_MESH_KEY] = "{\"meshKey\":\"000000000000000000000000000000000000000000000000"
                                 "0000000000000000\"}",
        [CLIENT_TRAILING] = "{\"version\":2}x",
        [CLIENT_WRONG_BOX] = "{\"version\":2}",
        [CLIENT_WRONG_TYPES] = "{\"version\":\"2\"}",
        [CLIENT_APP_NAME_LONG] = "{\"AppName\":\"123456789012345678901234567890123\"}",
        [CLIENT_SHORT] = "",
    };

    if (login == CLIENT_LONG)
        return mem_printf("{\"version\":2,\"x\":\"%0*d\"}", LONG_LOGIN, 0);
    return mem_strdup(texts[login]);
}

static void write_login(struct client *c)
{
    enum client_login login = c->opt.login;
    char *text = login_text(login);
    size_t n = strlen(text);
    uint8_t *payload = mem_alloc(1, KEY_LEN + NONCE_LEN + BOX_OVERHEAD + n);
    uint8_t *nonce = payload + KEY_LEN, *box = nonce + NONCE_LEN;

    memcpy(payload, c->keys.public_key.bytes, KEY_LEN);
    randombytes_buf(nonce, NONCE_LEN);
    if (crypto_box_easy(box, (const uint8_t *)text, n, nonce, c->opt.server_key->bytes,
                        c->keys.secret) != 0)
        abort();
    if (login == CLIENT_WRONG_BOX)
        box[0] ^= 1;
    client_frame(c, FRAME_CLIENT_INFO, login == CLIENT_SHORT ? 55 : KEY_LEN + 40 + n, payload,
                 login == CLIENT_SHORT ? 55 : KEY_LEN + 40 + n, NULL, 0);
    free(payload);
    free(text);
}

/* The handshake's reading half is the real client's; what is written is ours. */
static void start_login(struct client *c)
{
    static const uint8_t nonce[NONCE_LEN];
    struct client_info info = {.version = HELLO_PROTOCOL_VERSION};
    bool fast = c->opt.login != CLIENT_SLOW_START;

    if (!handshake_start(&c->handshake, c->opt.name, &c->keys, &info,
                         fast ? c->opt.server_key : NULL, nonce, &c->out))
        abort();
    if (!fast)
        return;
    c->out.len = 0;
    buf_puts(&c->out, request);
    write_login(c);
}

static void open_now(struct client *c)
{
    c->is_open = true;
    c->events->on_open(c->arg, c);
}

static void on_ready(void *owner)
{
    static const uint8_t hello[] = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01};
    struct client *c = owner;
    struct tls_peer peer;

    if (conn_tls(c->conn) != NULL && tls_peer(conn_tls(c->conn), &peer))
        memcpy(c->leaf, peer.sha256, sizeof c->leaf);
    if (c->opt.abandon == CLIENT_GARBAGE)
        buf_puts(&c->out, "what is this?\r\n\r\n");
    else if (c->opt.abandon == CLIENT_HALF_HELLO)
        buf_append(&c->out, hello, sizeof hello);
    else if (c->opt.abandon == CLIENT_HALF_REQUEST)
        buf_append(&c->out, request, sizeof request / 2);
    else if (c->opt.abandon == CLIENT_HALF_LOGIN || c->opt.abandon == CLIENT_COMPLETE)
        start_login(c);
    client_flush(c, c->opt.abandon == CLIENT_HALF_LOGIN ? 20 : 0);
    if (c->opt.abandon != CLIENT_COMPLETE)
        open_now(c);
}

/* --- Receiving ------------------------------------------------------------------------------ */

static size_t take_frames(struct client *c, const uint8_t *data, size_t n, size_t *want)
{
    size_t done = 0;

    while (done < n) {
        struct frame f;
        size_t used;

        if (frame_decode(data + done, n - done, &f, &used, want) != FRAME_OK)
            return done;
        done += used;
        *want = 0;
        c->events->on_frame(c->arg, c, &f);
    }
    return done;
}

static size_t on_data(void *owner, const uint8_t *data, size_t n, size_t *want)
{
    struct client *c = owner;
    struct fault f;
    size_t used = 0;

    if (c->opt.abandon != CLIENT_COMPLETE)
        return n;
    if (!c->is_open) {
        if (handshake_feed(&c->handshake, data, n, &used, want, &c->out, &f) == HANDSHAKE_FAILED) {
            fprintf(stderr, "login: %s\n", f.text);
            abort();
        }
        client_flush(c, 0);
        if (c->handshake.step == HANDSHAKE_OVER)
            open_now(c);
    }
    return c->is_open ? used + take_frames(c, data + used, n - used, want) : used;
}

static void on_end(void *owner, enum conn_end end, const char *reason)
{
    struct client *c = owner;

    c->conn = NULL;
    c->events->on_end(c->arg, c, end, reason);
    buf_free(&c->out);
    free(c);
}

static void on_deadline(void *owner)
{
    (void)owner;
}

/* --- Life ----------------------------------------------------------------------------------- */

static const struct conn_events conn_calls = {
    .on_ready = on_ready,
    .on_data = on_data,
    .on_fill = on_fill,
    .on_deadline = on_deadline,
    .on_end = on_end,
};

static bool has_tls(enum client_abandon a)
{
    return a != CLIENT_AFTER_TCP && a != CLIENT_GARBAGE && a != CLIENT_HALF_HELLO;
}

struct client *client_connect(const struct client_options *opt, const struct client_events *events,
                              void *arg)
{
    struct client *c = mem_alloc(1, sizeof *c);
    const struct conn_options conn_opt = {
        .loop = opt->loop,
        .scratch = opt->scratch,
        .tls = has_tls(opt->abandon) ? opt->tls : NULL,
        .connect_name = opt->name,
        .write_timeout_ms = PATIENCE_MS,
        .keep_max = KEEP_MAX,
    };

    c->opt = *opt;
    c->keys = *opt->keys;
    c->events = events;
    c->arg = arg;
    c->chunk = TLS_RECORD_MAX;
    buf_init(&c->out, OUT_MAX);
    c->conn = conn_connect(&conn_opt, &opt->to, &conn_calls, c);
    if (c->conn == NULL) {
        free(c);
        return NULL;
    }
    if (opt->receive_buffer > 0)
        setsockopt(conn_fd(c->conn), SOL_SOCKET, SO_RCVBUF, &opt->receive_buffer,
                   sizeof opt->receive_buffer);
    return c;
}

void client_read(struct client *c, bool does)
{
    conn_hold(c->conn, !does);
}

void client_leave(struct client *c)
{
    conn_finish(c->conn, PATIENCE_MS);
}

void client_vanish(struct client *c)
{
    struct linger at_once = {.l_onoff = 1};

    setsockopt(conn_fd(c->conn), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    conn_close(c->conn, CONN_END_LOCAL, "");
}
