/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small relay on a thread of its own, on 127.0.0.1, that can misbehave: what the client's tests
 * talk to. TLS with a self-signed certificate for "relay.test".
 */
#ifndef TESTS_UNIT_FAKE_RELAY_H
#define TESTS_UNIT_FAKE_RELAY_H

#include <pthread.h>
#include <sodium.h>

#include "base/buf.h"
#include "base/mem.h"
#include "derp/net/conn.h"
#include "derp/net/identity.h"
#include "derp/wire/frame.h"
#include "derp/wire/hello.h"
#include "derp/wire/http.h"
#include "tests/unit/unit.h"

enum fake_mode {
    FAKE_GOOD,
    FAKE_NO_META,      /* good, without a meta certificate: no fast start */
    FAKE_SILENT_TCP,   /* accepts and says nothing */
    FAKE_SILENT_HTTP,  /* TLS, then nothing */
    FAKE_SILENT_LOGIN, /* ServerKey, then nothing */
    FAKE_REFUSE,       /* closes after ClientInfo */
    FAKE_NOT_FOUND,    /* 404 */
    FAKE_TOO_LONG,     /* a frame that is too long after the login */
    FAKE_TALKATIVE,    /* all kinds of frames after the login */
    FAKE_LOSSY,        /* loses the first packet */
    FAKE_LATE,         /* keeps the first packet until the second comes */
    FAKE_CORRUPT,      /* changes what it relays */
    FAKE_BLACKHOLE,    /* relays nothing */
};

#define FAKE_CONNS 8

struct fake_relay;

struct fake_conn {
    struct fake_relay *relay;
    struct conn *conn;
    struct node_key key;
    bool upgraded;
    bool logged_in;
    struct buf out;
};

struct fake_relay {
    enum fake_mode mode;
    struct endpoint at;
    int fd;
    int silent_fd; /* the connection of FAKE_SILENT_TCP */
    struct identity *id;
    struct keypair keys;
    char dir[64];
    char *ca_file; /* what a client must trust */
    struct loop *loop;
    struct loop_io io;
    struct loop_wake stop;
    struct conn_scratch *scratch;
    struct tls_context *tls;
    struct fake_conn conns[FAKE_CONNS];
    unsigned count;
    unsigned lost;
    struct buf late;
    int home; /* last NotePreferred; -1: none */
    int pongs;
    int watched; /* WatchConns seen */
    pthread_t thread;
};

static inline void fake_say(struct fake_conn *c, const void *p, size_t n)
{
    assert_true(buf_append(&c->out, p, n));
}

static inline void fake_frame(struct fake_conn *c, enum frame_type type, const void *p, size_t n)
{
    uint8_t head[FRAME_HEADER_LEN];

    frame_put_header(head, type, n);
    fake_say(c, head, sizeof(head));
    fake_say(c, p, n);
}

static inline size_t fake_upgrade(struct fake_conn *c, const uint8_t *data, size_t n)
{
    static const char not_found[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\n\r\n";
    uint8_t key[HELLO_SERVER_KEY_LEN];
    struct http_request r;
    size_t used = 0;

    if (http_read_request((const char *)data, n, &r, &used) != HTTP_OK)
        return 0;
    c->upgraded = true;
    if (c->relay->mode == FAKE_SILENT_HTTP)
        return used;
    if (c->relay->mode == FAKE_NOT_FOUND) {
        fake_say(c, not_found, sizeof(not_found) - 1);
        return used;
    }
    if (!http_header(&r, "Derp-Fast-Start").p)
        fake_say(c, upgraded, sizeof(upgraded) - 1);
    hello_write_server_key(key, &c->relay->keys.public_key);
    fake_say(c, key, sizeof(key));
    return used;
}

static inline void fake_talk(struct fake_conn *c)
{
    uint8_t gone[FRAME_PEER_GONE_LEN];
    uint8_t restarting[FRAME_RESTARTING_LEN];

    fake_frame(c, FRAME_KEEP_ALIVE, "", 0);
    fake_frame(c, FRAME_PING, "pingping", 8);
    fake_frame(c, FRAME_HEALTH, "ill", 3);
    fake_frame(c, FRAME_PEER_PRESENT, c->key.bytes, KEY_LEN);
    frame_write_peer_gone(gone, &c->key, PEER_GONE_NOT_HERE);
    fake_say(c, gone, sizeof(gone));
    frame_write_restarting(restarting, 5, 6);
    fake_say(c, restarting, sizeof(restarting));
}

static inline void fake_login(struct fake_conn *c, const struct frame *f)
{
    static const uint8_t nonce[24] = {7};
    struct client_info info;
    struct fault fault;

    assert_int_equal(f->type, FRAME_CLIENT_INFO);
    if (!hello_read_client_info(f->payload, f->len, &c->relay->keys, &info, &fault))
        fail_msg("%s", fault.text);
    c->key = info.key;
    if (c->relay->mode == FAKE_REFUSE)
        conn_finish(c->conn, 1000);
    if (c->relay->mode == FAKE_REFUSE || c->relay->mode == FAKE_SILENT_LOGIN)
        return;
    c->logged_in = true;
    hello_write_server_info(&c->out, info.secret, nonce);
    if (c->relay->mode == FAKE_TOO_LONG)
        fake_say(c, "\x05\xff\xff\xff\xff", 5);
    if (c->relay->mode == FAKE_TALKATIVE)
        fake_talk(c);
}

static inline void fake_relay_packet(struct fake_conn *c, const struct frame *f)
{
    struct fake_relay *r = c->relay;
    struct node_key dst;
    const uint8_t *packet;
    size_t len;

    assert_true(frame_read_send_packet(f, &dst, &packet, &len));
    if (r->mode == FAKE_LATE && r->lost == 0)
        assert_true(buf_append(&r->late, packet, len));
    if (r->mode == FAKE_LATE && r->lost == 1)
        packet = r->late.data;
    if (r->mode == FAKE_BLACKHOLE ||
        ((r->mode == FAKE_LOSSY || r->mode == FAKE_LATE) && r->lost++ == 0))
        return;
    for (unsigned i = 0; i < r->count; i++) {
        struct fake_conn *to = &r->conns[i];
        uint8_t *payload;

        if (!to->conn || !to->logged_in || !node_key_equal(&to->key, &dst))
            continue;
        payload = mem_alloc(KEY_LEN + len, 1);
        memcpy(payload, c->key.bytes, KEY_LEN);
        memcpy(payload + KEY_LEN, packet, len);
        if (r->mode == FAKE_CORRUPT && len > 1)
            payload[KEY_LEN + 1] ^= 1;
        fake_frame(to, FRAME_RECV_PACKET, payload, KEY_LEN + len);
        free(payload);
        if (to != c)
            conn_flush(to->conn);
    }
}

static inline void fake_take(struct fake_conn *c, const struct frame *f)
{
    uint8_t pong[FRAME_PONG_LEN];
    uint8_t data[8];
    bool home;

    if (c->relay->mode == FAKE_SILENT_HTTP)
        return;
    if (!c->logged_in) {
        fake_login(c, f);
        return;
    }
    switch (f->type) {
    case FRAME_SEND_PACKET:
        fake_relay_packet(c, f);
        break;
    case FRAME_PING:
        assert_true(frame_read_ping(f, data));
        frame_write_pong(pong, data);
        fake_say(c, pong, sizeof(pong));
        break;
    case FRAME_PONG:
        c->relay->pongs++;
        break;
    case FRAME_WATCH_CONNS:
        c->relay->watched++;
        break;
    case FRAME_NOTE_PREFERRED:
        assert_true(frame_read_note_preferred(f, &home));
        c->relay->home = home;
        break;
    default:
        fail_msg("unexpected frame of type %d", f->type);
    }
}

static inline size_t fake_on_data(void *owner, const uint8_t *data, size_t n, size_t *want)
{
    struct fake_conn *c = owner;
    struct frame f;
    size_t done = 0;
    size_t used;

    if (!c->upgraded)
        done = fake_upgrade(c, data, n);
    while (c->upgraded && frame_decode(data + done, n - done, &f, &used, want) == FRAME_OK) {
        fake_take(c, &f);
        done += used;
        *want = 0;
    }
    if (c->conn)
        conn_flush(c->conn);
    return done;
}

static inline size_t fake_on_fill(void *owner, uint8_t *out, size_t room)
{
    struct fake_conn *c = owner;
    size_t n = c->out.len < room ? c->out.len : room;

    if (n > 0)
        memcpy(out, c->out.data, n);
    buf_consume(&c->out, n);
    return n;
}

static inline void fake_on_ready(void *owner)
{
    (void)owner;
}

static inline void fake_on_end(void *owner, enum conn_end end, const char *reason)
{
    struct fake_conn *c = owner;

    (void)end;
    (void)reason;
    c->conn = NULL;
    buf_free(&c->out);
}

static const struct conn_events fake_events = {.on_ready = fake_on_ready,
                                               .on_data = fake_on_data,
                                               .on_fill = fake_on_fill,
                                               .on_end = fake_on_end};

static inline void fake_on_accept(void *arg, int events)
{
    struct fake_relay *r = arg;
    int fd = accept4(r->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    const struct conn_options opt = {.loop = r->loop,
                                     .scratch = r->scratch,
                                     .tls = r->tls,
                                     .write_timeout_ms = 5000,
                                     .keep_max = 300000};

    (void)events;
    assert_true(fd >= 0 && r->count < FAKE_CONNS);
    if (r->mode == FAKE_SILENT_TCP) {
        r->silent_fd = fd;
        return;
    }
    struct fake_conn *c = &r->conns[r->count++];
    c->relay = r;
    buf_init(&c->out, 1 << 20);
    c->conn = conn_accept(&opt, fd, &fake_events, c);
}

static inline void fake_on_stop(void *arg)
{
    struct fake_relay *r = arg;

    for (unsigned i = 0; i < r->count; i++)
        if (r->conns[i].conn)
            conn_close(r->conns[i].conn, CONN_END_LOCAL, "");
    loop_io_want(&r->io, 0);
    loop_stop(r->loop);
}

static inline void *fake_run(void *arg)
{
    struct fake_relay *r = arg;

    loop_run(r->loop);
    return NULL;
}

static inline void fake_listen(struct fake_relay *r)
{
    socklen_t len = sizeof(r->at);

    assert_true(endpoint_parse("127.0.0.1:0", 0, &r->at) || endpoint_parse_ip("127.0.0.1", &r->at));
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_return_code(bind(r->fd, &r->at.any, endpoint_len(&r->at)), errno);
    assert_return_code(listen(r->fd, 16), errno);
    assert_return_code(getsockname(r->fd, &r->at.any, &len), errno);
}

static inline void fake_identify(struct fake_relay *r)
{
    const struct tls_server_options opt = {.domain = NULL};
    uint8_t seed[KEY_LEN];
    struct fault f;
    char *key_file;

    randombytes_buf(seed, sizeof(seed));
    keypair_from_seed(seed, &r->keys);
    unit_dir(r->dir);
    r->ca_file = mem_printf("%s/chain.pem", r->dir);
    key_file = mem_printf("%s/key.pem", r->dir);
    r->id = identity_self_signed("relay.test", 10, &f);
    if (!r->id || !identity_save(r->id, r->ca_file, key_file, &f))
        fail_msg("%s", f.text);
    if (r->mode != FAKE_NO_META && !identity_add_meta(r->id, &r->keys.public_key, &f))
        fail_msg("%s", f.text);
    r->tls = tls_context_server(r->id, &opt, &f);
    assert_non_null(r->tls);
    free(key_file);
}

static inline struct fake_relay *fake_relay_start(enum fake_mode mode)
{
    struct fake_relay *r = mem_alloc(1, sizeof(*r));

    r->mode = mode;
    buf_init(&r->late, FRAME_PACKET_MAX);
    r->home = r->silent_fd = -1;
    fake_identify(r);
    fake_listen(r);
    r->loop = loop_new();
    r->scratch = conn_scratch_new();
    loop_wake_init(&r->stop, r->loop, fake_on_stop, r);
    loop_io_init(&r->io, r->loop, r->fd, fake_on_accept, r);
    loop_io_want(&r->io, LOOP_READ);
    assert_int_equal(pthread_create(&r->thread, NULL, fake_run, r), 0);
    return r;
}

/* Its thread ends; what it saw (home, pongs) may then be read. */
static inline void fake_relay_stop(struct fake_relay *r)
{
    loop_wake_send(&r->stop);
    pthread_join(r->thread, NULL);
    loop_wake_stop(&r->stop);
    close(r->fd);
    if (r->silent_fd >= 0)
        close(r->silent_fd);
    tls_context_free(r->tls);
    identity_free(r->id);
    conn_scratch_free(r->scratch);
    loop_free(r->loop);
    unit_dir_remove(r->dir);
    buf_free(&r->late);
    free(r->ca_file);
}

#endif
