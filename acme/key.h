/* SPDX-License-Identifier: Apache-2.0 */
/* ECDSA P-256 keys: the only kind this client makes, for accounts and certificates alike. */
#ifndef ACME_KEY_H
#define ACME_KEY_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/fault.h"

/* A fresh key. Free with EVP_PKEY_free. NULL with the library's reason on failure. */
EVP_PKEY *key_generate(struct fault *f);

/* Appends the key as PKCS #8 PEM; wipe out with buf_wipe. */
bool key_to_pem(EVP_PKEY *key, struct buf *out, struct fault *f);

/* The one private key in n bytes of PEM; other kinds than P-256, encrypted ones, and those whose
 * parts do not fit each other are refused. */
EVP_PKEY *key_from_pem(const void *pem, size_t n, struct fault *f);

/* True when both have the same public part. */
bool key_same(const EVP_PKEY *a, const EVP_PKEY *b);

/* Fills f with text and the oldest reason in OpenSSL's queue, which is emptied. Returns false. */
bool key_fault(struct fault *f, const char *text);

#endif
