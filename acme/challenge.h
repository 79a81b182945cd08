/* SPDX-License-Identifier: Apache-2.0 */
/* tls-alpn-01 (RFC 8737): the certificate that answers a validation. */
#ifndef ACME_CHALLENGE_H
#define ACME_CHALLENGE_H

#include <stdint.h>

#include "acme/jws.h"
#include "base/buf.h"
#include "base/fault.h"

#define CHALLENGE_TLS_ALPN "tls-alpn-01"

/*
 * Appends a self-signed certificate for the name and then its fresh private key, both PEM: X.509
 * version 3, the name as only SAN (and not in the subject: common names end at 64 characters),
 * a critical acmeIdentifier extension with the SHA-256 of the key authorization (RFC 8737 3).
 */
bool challenge_certificate(const char *name, const uint8_t digest[static JWS_DIGEST],
                           struct buf *pem, struct fault *f);

#endif
