/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of TLS, shared by tls.c (connections) and tls_context.c (certificates, names, ALPN) only.
 */
#ifndef DERP_NET_TLS_PRIVATE_H
#define DERP_NET_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "derp/net/record.h"
#include "derp/net/tls.h"
#include "derp/wire/handshake_length.h"

struct tls_context {
    SSL_CTX *ssl_ctx;
    struct record_pool *records; /* server: of the connections after their handshake */
    struct identity *id;         /* server: for SNI; a borrowed view into ssl_ctx's own objects */
    char *domain;
    char *challenge_dir;
    unsigned refs; /* the owner's and one per connection; all on one thread */
};

struct tls {
    SSL *ssl;              /* NULL once the record layer has taken over */
    struct record *record; /* NULL before, with TLS 1.2, and in a client */
    struct tls_context *ctx;
    struct tls_io *io;              /* of the call under way, for OpenSSL */
    struct record_secrets *secrets; /* server, during the handshake: what OpenSSL told so far */
    struct handshake_length *hello; /* server, during the handshake */
    char *reason;                   /* of the last failure, NULL: none */
    bool is_challenge;
    bool notified;
    bool failed; /* OpenSSL's part, for good: reason stays */
    uint8_t secrets_known;
    uint8_t key_updates;  /* received by OpenSSL since the last data */
    uint8_t updates_left; /* that it may still receive: data earns new ones */
    uint16_t earned;      /* bytes of data */
};

#define TLS_SECRETS_READ  1
#define TLS_SECRETS_WRITE 2

#endif
