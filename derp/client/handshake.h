/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a client comes to speak DERP: HTTP upgrade, ServerKey, ClientInfo, ServerInfo. Pure: bytes
 * in, bytes out; time, sockets and randomness are the caller's.
 */
#ifndef DERP_CLIENT_HANDSHAKE_H
#define DERP_CLIENT_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "derp/wire/hello.h"
#include "derp/wire/key.h"

enum handshake_step {
    HANDSHAKE_UPGRADE,     /* the request is sent, its answer awaited */
    HANDSHAKE_SERVER_KEY,  /* DERP is spoken, the server's first frame awaited */
    HANDSHAKE_SERVER_INFO, /* ClientInfo is sent, the admission awaited */
    HANDSHAKE_OVER,
};

enum handshake_result {
    HANDSHAKE_MORE,   /* more bytes are needed */
    HANDSHAKE_DONE,   /* what follows are frames of an open connection */
    HANDSHAKE_FAILED, /* with a reason */
};

struct handshake {
    enum handshake_step step;
    const struct keypair *keys;
    struct client_info info;
    uint8_t nonce[24];
    bool fast;      /* without the server's HTTP answer */
    bool key_known; /* server_key is set: told by TLS, HTTP or the server itself */
    struct node_key server_key;
    int64_t server_version; /* of ServerInfo */
};

/*
 * Appends the first bytes to send to out. host is the value of the Host header.
 * server_key: the key of the meta certificate, seen under TLS 1.3, for a fast start: the login
 * follows the request at once, and the server sends no HTTP answer. NULL otherwise.
 * keys must outlive the handshake; info is copied; nonce: 24 random bytes, used once.
 * False when out has no room or info cannot be sent.
 */
bool handshake_start(struct handshake *h, const char *host, const struct keypair *keys,
                     const struct client_info *info, const struct node_key *server_key,
                     const uint8_t nonce[static 24], struct buf *out);

/*
 * Goes on with n received bytes. *used of them were consumed, the rest must come again at the
 * front of the next call, best once *want bytes are there (0: unknown). What is to be sent is
 * appended to out.
 */
enum handshake_result handshake_feed(struct handshake *h, const uint8_t *data, size_t n,
                                     size_t *used, size_t *want, struct buf *out, struct fault *f);

/* What is waited for, in words ("the answer to the upgrade request"). */
const char *handshake_step_name(enum handshake_step step);

#endif
