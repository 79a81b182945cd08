/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests signed with ES256: flattened JWS (RFC 7515 7.2.2, RFC 7518 3.4, RFC 8555 6.2) and what
 * is derived from an account key's public part.
 */
#ifndef ACME_JWS_H
#define ACME_JWS_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define JWS_DIGEST    32 /* SHA-256 */
#define JWS_SIGNATURE 64 /* r and s, 32 bytes each, big-endian (not DER) */

/* The public part as {"crv","kty","x","y"} in RFC 7638's order and without spaces: both the "jwk"
 * header and the thumbprint's input. free() it. NULL when key is not P-256. */
char *jws_jwk(const EVP_PKEY *key);

/* RFC 7638: base64url of SHA-256 of the above. free() it. */
char *jws_thumbprint(const EVP_PKEY *key);

/* RFC 8555 8.1: token "." thumbprint. free() it. */
char *jws_key_authorization(const char *token, const EVP_PKEY *key);

/* SHA-256 of n bytes. */
bool jws_digest(const void *data, size_t n, uint8_t digest[static JWS_DIGEST]);

/* ES256 over n bytes. */
bool jws_sign(EVP_PKEY *key, const void *data, size_t n, uint8_t signature[static JWS_SIGNATURE],
              struct fault *f);

/*
 * The body of a request: protected header and payload (both JSON; the payload is "" for
 * POST-as-GET) encoded and signed. free() it; NULL with a reason on failure.
 */
char *jws_body(EVP_PKEY *key, const char *protected, const char *payload, struct fault *f);

/* The same with HS256 (RFC 7518 3.2), for an external account binding. */
char *jws_hmac_body(const uint8_t *secret, size_t n, const char *protected, const char *payload,
                    struct fault *f);

#endif
