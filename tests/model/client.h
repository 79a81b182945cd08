/* SPDX-License-Identifier: Apache-2.0 */
/* A DERP client that does exactly what it is told: half frames, silence, resets. */
#ifndef TESTS_MODEL_CLIENT_H
#define TESTS_MODEL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/net.h"
#include "derp/client/handshake.h"
#include "derp/net/conn.h"
#include "derp/net/loop.h"
#include "derp/wire/frame.h"

/* How it logs in. */
enum client_login {
    CLIENT_PLAIN,
    CLIENT_SLOW_START,
    CLIENT_EMPTY,
    CLIENT_NULL,
    CLIENT_UNKNOWN_MEMBERS,
    CLIENT_OTHER_CASE,
    CLIENT_PROBER,
    CLIENT_APP_NAME,
    CLIENT_INVALID_UTF8,
    CLIENT_LONG,
    CLIENT_ZERO_MESH_KEY,
    CLIENT_FIRST_WRONG, /* from here on it must be refused */
    CLIENT_TRAILING = CLIENT_FIRST_WRONG,
    CLIENT_WRONG_BOX,
    CLIENT_WRONG_TYPES,
    CLIENT_APP_NAME_LONG,
    CLIENT_SHORT,
    CLIENT_LOGINS
};

/* Where a login is broken off. */
enum client_abandon {
    CLIENT_COMPLETE,
    CLIENT_AFTER_TCP,
    CLIENT_GARBAGE,
    CLIENT_HALF_HELLO,
    CLIENT_AFTER_TLS,
    CLIENT_HALF_REQUEST,
    CLIENT_HALF_LOGIN,
    CLIENT_ABANDONS
};

struct client;

struct client_events {
    void (*on_frame)(void *arg, struct client *c, const struct frame *f);
    /* Connected, and either logged in or as far as it was to go. */
    void (*on_open)(void *arg, struct client *c);
    /* The last call; the client is gone. */
    void (*on_end)(void *arg, struct client *c, enum conn_end end, const char *reason);
};

struct client_options {
    struct loop *loop;
    struct conn_scratch *scratch;
    struct tls_context *tls;
    struct endpoint to;
    const char *name;
    const struct keypair *keys;
    const struct node_key *server_key;
    enum client_login login;
    enum client_abandon abandon;
    int receive_buffer; /* bytes; 0: the system's */
};

struct client {
    struct conn *conn;
    const struct client_events *events;
    void *arg;
    struct client_options opt;
    struct keypair keys;
    struct handshake handshake;
    struct buf out;
    size_t out_at;    /* what of out has been sent */
    size_t held_back; /* bytes at the end of out that are to wait */
    size_t chunk;     /* of a TLS record */
    bool is_open;     /* on_open was called */
    uint8_t leaf[32]; /* SHA-256 of the certificate that it saw */
};

/* events must outlive it. NULL when there is no socket. */
struct client *client_connect(const struct client_options *opt, const struct client_events *events,
                              void *arg);

/* Queues a frame: header, then up to two parts. With more length than parts the rest is missing. */
void client_frame(struct client *c, uint8_t type, size_t length, const void *a, size_t a_len,
                  const void *b, size_t b_len);
/* Sends what is queued but for its last held_back bytes. */
void client_flush(struct client *c, size_t held_back);

void client_read(struct client *c, bool does); /* or does not */

/* Ends: in good order, with what is queued but not held back; by a reset. */
void client_leave(struct client *c);
void client_vanish(struct client *c);

#endif
