/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked to be certified: PKCS #10 requests (RFC 2986). */
#ifndef ACME_CSR_H
#define ACME_CSR_H

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "base/fault.h"

/* A subjectAltName of one dNSName, or one iPAddress when the name is one (RFC 8738 3). Free with
 * GENERAL_NAMES_free; NULL without memory. */
GENERAL_NAMES *csr_san(const char *name);

/* A request for the name as only SAN, with an empty subject: DER in base64url, to free().
 * NULL with a reason on failure. */
char *csr_make(EVP_PKEY *key, const char *name, struct fault *f);

#endif
