/* SPDX-License-Identifier: Apache-2.0 */
/* Challenge types, and the certificate that answers tls-alpn-01 (RFC 8737). */
#ifndef ACME_CHALLENGE_H
#define ACME_CHALLENGE_H

#include <stdint.h>

#include "acme/jws.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/fault.h"

/* "tls-alpn-01", "http-01" (RFC 8555 8.3) or "dns-01" (8.4). */
const char *challenge_name(enum config_challenge type);

/*
 * Appends a self-signed certificate for the name (or address) and then its fresh private key, both
 * PEM: X.509 version 3, the name or address as only SAN (and not in the subject: common names end
 * at 64 characters), a critical acmeIdentifier extension with the SHA-256 of the key authorization
 * (RFC 8737 3).
 */
bool challenge_certificate(const char *name, const uint8_t digest[static JWS_DIGEST],
                           struct buf *pem, struct fault *f);

#endif
