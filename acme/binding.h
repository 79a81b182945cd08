/* SPDX-License-Identifier: Apache-2.0 */
/* External account binding (RFC 8555 7.3.4): which customer of the CA a new account belongs to. */
#ifndef ACME_BINDING_H
#define ACME_BINDING_H

#include <openssl/evp.h>

#include "acme/authority.h"
#include "acme/failure.h"
#include "base/fault.h"

#define BINDING_SECRET_MAX 256 /* bytes, decoded */

/*
 * Reads the secret: base64url (padding is allowed) and white space around it, at least 16 bytes. A
 * file that others than its owner and group may read, or that anybody but the owner may write, is
 * refused. secret is to be wiped by the caller.
 */
bool binding_read(const char *path, uint8_t secret[static BINDING_SECRET_MAX], size_t *n,
                  struct fault *f);

/* The binding of an account's key for a newAccount URL: a JWS as JSON, to free(). NULL with a
 * reason that says what to do. The secret is read for this, and wiped. */
char *binding_make(const struct authority *ca, const char *url, const EVP_PKEY *key,
                   struct failure *fail);

#endif
