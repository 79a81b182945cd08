/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of struct identity and small helpers, shared by identity.c and tls.c only. */
#ifndef DERP_NET_IDENTITY_PRIVATE_H
#define DERP_NET_IDENTITY_PRIVATE_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <time.h>

#include "base/fault.h"

struct identity {
    EVP_PKEY *key;
    X509 *leaf;
    STACK_OF(X509) * chain; /* after the leaf, in order */
    X509 *meta;             /* sent last; NULL: none */
};

/* what, and the newest of OpenSSL's errors, which are cleared. Always false. */
bool identity_openssl_fault(struct fault *f, const char *what);

/* Seconds since 1970; 0 for a time that is none. */
time_t identity_time(const ASN1_TIME *t);

#endif
