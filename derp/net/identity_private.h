/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of struct identity, shared by identity.c and tls.c only. */
#ifndef DERP_NET_IDENTITY_PRIVATE_H
#define DERP_NET_IDENTITY_PRIVATE_H

#include <openssl/evp.h>
#include <openssl/x509.h>

struct identity {
    EVP_PKEY *key;
    X509 *leaf;
    STACK_OF(X509) * chain; /* after the leaf, in order */
    X509 *meta;             /* sent last; NULL: none */
};

#endif
