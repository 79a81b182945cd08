/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS through memory: ciphertext comes from the caller's buffer and goes into the caller's
 * buffer, never to a socket. Only tls.c and tls_context.c know OpenSSL's TLS; after the handshake
 * of a TLS 1.3 server the records are ours (record.h).
 */
#ifndef DERP_NET_TLS_H
#define DERP_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/fault.h"
#include "derp/net/identity.h"
#include "derp/net/tls_io.h"

/* One thread's TLS settings and certificate; several connections share it. */
struct tls_context;
/* One connection's TLS state. */
struct tls;

struct tls_server_options {
    const char *domain;        /* host name served; SNI of other names is refused unless the
                                  certificate covers it. NULL: any name */
    const char *challenge_dir; /* folder of tls-alpn-01 certificates <name>.pem, or NULL */
};

/* A server context that presents id (kept alive by it; the caller keeps its own reference).
 * TLS 1.2 and 1.3, ALPN http/1.1, no tickets, no session cache, no renegotiation. */
struct tls_context *tls_context_server(const struct identity *id,
                                       const struct tls_server_options *opt, struct fault *f);

enum tls_verify {
    TLS_VERIFY_REQUIRE, /* a peer that cannot be verified fails the handshake */
    TLS_VERIFY_RECORD,  /* it does not; tls_peer tells the verdict */
};

/* A client context that trusts ca_file (PEM), or the system's roots when NULL. */
struct tls_context *tls_context_client(const char *ca_file, enum tls_verify verify,
                                       struct fault *f);

/* Another owner of it, on the same thread; gives it up by tls_context_free. */
struct tls_context *tls_context_ref(struct tls_context *ctx);

/* Connections made from it live on. NULL is allowed. */
void tls_context_free(struct tls_context *ctx);

struct tls *tls_accept(struct tls_context *ctx);
/* name: DNS name (sent as SNI and verified) or IP literal (verified, no SNI). */
struct tls *tls_connect(struct tls_context *ctx, const char *name);
void tls_free(struct tls *t);

/* Goes on with the handshake. TLS_OK: finished. */
enum tls_result tls_handshake(struct tls *t, struct tls_io *io);

/* True when this server connection is an acme-tls/1 one: close it after the handshake. */
bool tls_is_challenge(const struct tls *t);

/*
 * Decrypts up to room bytes into plain. TLS_OK with *n > 0, or why there are none. A peer that
 * sends more than 16 KeyUpdates without data between them fails. Call it again with the same io
 * until it is not TLS_OK: what plain had no room for waits in io->spare, which the next connection
 * uses.
 */
enum tls_result tls_open(struct tls *t, struct tls_io *io, uint8_t *plain, size_t room, size_t *n);

/* Encrypts n bytes (1..TLS_RECORD_MAX) as one record into io->out; plain[n] may be overwritten.
 * TLS_OK or TLS_FAILED. */
enum tls_result tls_seal(struct tls *t, struct tls_io *io, uint8_t *plain, size_t n);

/* Writes close_notify into io->out, once. */
void tls_close_notify(struct tls *t, struct tls_io *io);

/* Why the last call failed, in words; "" when it did not. Valid until the next call. */
const char *tls_reason(const struct tls *t);

/* "TLSv1.3 TLS_AES_128_GCM_SHA256" after the handshake. */
void tls_describe(const struct tls *t, char *text, size_t cap);

/* Client side, after the handshake: what the server presented. */
struct tls_peer {
    bool is_tls13;
    uint8_t sha256[32]; /* of the leaf's DER */
    time_t not_before;
    time_t not_after;
    size_t chain_length; /* certificates sent, meta certificate included */
    bool verified;
    char verify_error[128]; /* why not verified, in words */
    char issuer[256];
    bool has_meta; /* a derpkey certificate was sent */
    struct node_key meta_key;
};
bool tls_peer(const struct tls *t, struct tls_peer *peer);

#endif
