/* SPDX-License-Identifier: Apache-2.0 */
/* Pure but for the system's list of CAs: certificate chains as a CA hands them out, judged. */
#ifndef ACME_CHAIN_H
#define ACME_CHAIN_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/buf.h"
#include "base/fault.h"

#define CHAIN_MAX         10
#define CHAIN_BYTES_MAX   (128 * 1024)
#define CHAIN_FINGERPRINT 65

/* Leaf first. */
struct chain {
    X509 *list[CHAIN_MAX];
    size_t count;
};

/* What people and schedules want to know of a leaf. */
struct chain_facts {
    time_t not_before, not_after;
    char serial[64];  /* hex digits, lower case */
    char issuer[256]; /* one printable line */
    char subject[256];
    char fingerprint[CHAIN_FINGERPRINT]; /* SHA-256 of the DER, hex */
};

/* Reads n bytes of PEM: one to CHAIN_MAX CERTIFICATE blocks, white space between them and nothing
 * else (RFC 8555 9.1, 11.4). */
bool chain_parse(const void *pem, size_t n, struct chain *c, struct fault *f);
void chain_free(struct chain *c);

/* Appends the certificates as PEM, newly encoded. */
bool chain_to_pem(const struct chain *c, struct buf *out, struct fault *f);

/* The facts of a certificate; false when its dates cannot be read. */
bool chain_read_facts(const X509 *cert, struct chain_facts *facts);

/* The leaf certifies this key and this DNS name or IP address (as a SAN, without wildcards). */
bool chain_fits(const struct chain *c, const EVP_PKEY *key, const char *name, struct fault *f);

/* Every certificate is signed by the next one, and the leaf may be a TLS server's, whatever the
 * dates: above what clients trust a CA may send certificates that have expired long ago. */
bool chain_whole(const struct chain *c, struct fault *f);

/*
 * The chain is whole and valid at now (a leaf that begins within the next hour is): with
 * public_root on a way to one of the system's CAs, without it in all of its certificates.
 */
bool chain_verify(const struct chain *c, time_t now, bool public_root, struct fault *f);

/* Does the chain lead to a CA with this common name, in its uppermost certificate or on the way? */
bool chain_has_issuer(const struct chain *c, const char *name);

/* The leaf as DER in base64url, to free(). */
char *chain_leaf_der(const struct chain *c);

#endif
