/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversation with one CA: directory, nonces, signed requests with the badNonce retry, and
 * patience while the CA works.
 */
#ifndef ACME_CLIENT_H
#define ACME_CLIENT_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "acme/failure.h"
#include "acme/message.h"
#include "acme/transport.h"

#define CLIENT_NONCES 8

struct client {
    struct transport *net;
    const char *url; /* of the directory; borrowed */
    struct directory directory;
    bool dated;    /* an answer had a Date, and our clock agrees with it */
    EVP_PKEY *key; /* the account's; borrowed */
    char *kid;     /* the account's URL; owned, NULL until known */
    char *nonces[CLIENT_NONCES];
    size_t nonce_count;
};

/* Prepares; nothing is sent. url must outlive the client. Nothing goes on beyond deadline_ms
 * (clock_mono_ms, budget.h). Close with client_close in any case. */
bool client_open(struct client *c, const char *url, const char *ca_file, int64_t deadline_ms,
                 struct failure *fail);
void client_close(struct client *c);

/* Fetches the directory, and fails with FAILURE_CLOCK when our clock is more than an hour
 * off the CA's: the Date of the directory's answer and, when that is missing or another, of
 * newNonce's. Answers that bear no Date say nothing about our clock; c->dated tells. */
bool client_directory(struct client *c, struct failure *fail);

/* Fetches something that is open to everybody, without a signature (RFC 9773 4.1). As
 * client_post. */
bool client_get(struct client *c, const char *url, struct response *r, struct failure *fail);

/* How a request names its signer (RFC 8555 6.2). */
enum client_signer { CLIENT_JWK, CLIENT_KID };

/*
 * Signs and posts a payload ("" for POST-as-GET); signs anew with the nonce the CA gives as long as
 * it answers badNonce. True for a status of 2xx; anything else is in fail, in the CA's words. r is
 * filled whenever an answer came; response_free it in any case.
 */
bool client_post(struct client *c, const char *url, const char *payload, enum client_signer signer,
                 const char *accept, struct response *r, struct failure *fail);

/* What Retry-After of an answer asks for (RFC 9110 10.2.3), by the CA's clock when it tells the
 * time. false: nothing, or nonsense. */
bool client_retry_after(const struct response *r, int64_t *seconds);

/* Waiting for the CA to finish something. */
struct poll {
    int64_t deadline_ms; /* monotonic */
    int64_t wait_ms;     /* next wait when the CA names none */
};

/* Not beyond deadline_ms, whatever the CA asks for. */
void poll_begin(struct poll *p, int64_t deadline_ms);

/*
 * Sleeps before the next look: what Retry-After of r asks for, or a growing wait. false, without
 * sleeping, when that would pass the deadline: fail is FAILURE_OVERLOAD and tells what we waited
 * for.
 */
bool poll_wait(struct poll *p, const struct response *r, const char *what, struct failure *fail);

#endif
