/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP connection, with TLS or plain, on a loop. It reads once per turn into the thread's
 * scratch, hands plaintext upward as views, pulls plaintext to send from its owner, and seals it
 * only when it can be written. It knows nothing of HTTP or DERP.
 */
#ifndef DERP_NET_CONN_H
#define DERP_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "derp/net/loop.h"
#include "derp/net/tls.h"

struct conn;

/* Buffers that all connections of one thread share while they are being served. */
struct conn_scratch;
struct conn_scratch *conn_scratch_new(void);
void conn_scratch_free(struct conn_scratch *s);

enum conn_end {
    CONN_END_LOCAL,     /* the owner asked for it */
    CONN_END_PEER,      /* closed by the peer, in order */
    CONN_END_RESET,     /* cut: reset, or end of stream without close_notify */
    CONN_END_TLS,       /* TLS failed */
    CONN_END_STALLED,   /* the peer took nothing for the write timeout */
    CONN_END_CHALLENGE, /* an acme-tls/1 handshake, which ends after itself */
};
const char *conn_end_name(enum conn_end end);

/*
 * Upward calls; the owner may call any function below in any of them. After conn_close or a
 * failure only on_end follows.
 */
struct conn_events {
    /*
     * What comes before TLS on a connection with has_preface: all n bytes of it so far. Returns how
     * many are the preface's, 0 when more are needed; the owner bounds it. May be NULL otherwise.
     */
    size_t (*on_preface)(void *owner, const uint8_t *data, size_t n);
    /* Connected and, with TLS, handshake finished. */
    void (*on_ready)(void *owner);
    /*
     * n bytes of plaintext at data, valid during the call. Returns how many were used; the rest is
     * kept and comes again at the front of the next call, once at least *want bytes are there
     * (set by the callee when known; default: one more).
     */
    size_t (*on_data)(void *owner, const uint8_t *data, size_t n, size_t *want);
    /* Writes up to room bytes to send into out and returns how many; 0: nothing waits. */
    size_t (*on_fill)(void *owner, uint8_t *out, size_t room);
    /* All that was filled has been given to the kernel. May be NULL. */
    void (*on_drained)(void *owner);
    /* The deadline set by conn_deadline passed. */
    void (*on_deadline)(void *owner);
    /* Last call: the connection is gone. reason is words for a log line, may be "". */
    void (*on_end)(void *owner, enum conn_end end, const char *reason);
};

struct conn_options {
    struct loop *loop;
    struct conn_scratch *scratch;
    struct tls_context *tls;  /* NULL: plain TCP */
    const char *connect_name; /* client side with TLS: name for SNI and verification */
    int write_timeout_ms;     /* a peer that takes nothing for so long is closed */
    size_t keep_max;          /* most plaintext kept for on_data while a unit is incomplete */
    bool has_preface;         /* server side: on_preface is asked before TLS begins */
    bool is_newcomer;         /* until conn_settled: others go first */
};

/* Takes over an accepted socket (non-blocking, close-on-exec). events must outlive it. */
struct conn *conn_accept(const struct conn_options *opt, int fd, const struct conn_events *events,
                         void *owner);

/* Starts to connect. NULL with errno when the socket could not even be made; later failures come
 * by on_end. */
struct conn *conn_connect(const struct conn_options *opt, const struct endpoint *to,
                          const struct conn_events *events, void *owner);

/* Something waits in the owner: pulls it by on_fill and writes it, now. */
void conn_flush(struct conn *c);

/* True while bytes wait for the kernel to take them: on_fill will be called by itself later. */
bool conn_is_blocked(const struct conn *c);

/* Between these two calls the connection, even when it ends, is neither freed nor is on_end called:
 * for owners that do several things with it outside an upward call. */
void conn_pin(struct conn *c);
void conn_unpin(struct conn *c);

/* A newcomer's input waits for all others': what comes from newcomers is read last in a turn, when
 * the others' packets have been sent, and no more of it than takes a short time. This one is not a
 * newcomer any more. */
void conn_settled(struct conn *c);

/* While held, nothing is read and on_data is not called; what has come is kept. Releasing it calls
 * on_data with what was kept. */
void conn_hold(struct conn *c, bool held);

/* Calls on_deadline after so many milliseconds; replaces the earlier one; < 0: none. */
void conn_deadline(struct conn *c, int64_t after_ms);

/* Another write timeout than that of conn_options, from the next write on. */
void conn_set_write_timeout(struct conn *c, int write_timeout_ms);

/* Sends what waits and close_notify, lets the peer read it, then ends with CONN_END_LOCAL, within
 * within_ms at the latest. on_data and on_deadline are not called any more. */
void conn_finish(struct conn *c, int64_t within_ms);

/*
 * Ends with what is in flight dropped. on_end follows before this returns, or, from within an
 * upward call of this connection, right after that call has returned. why is for on_end.
 */
void conn_close(struct conn *c, enum conn_end why, const char *reason);

/* TLS state for tls_describe and tls_peer; NULL when plain. Socket, for options. */
const struct tls *conn_tls(const struct conn *c);
int conn_fd(const struct conn *c);

#endif
