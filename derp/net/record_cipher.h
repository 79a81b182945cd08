/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protection of TLS 1.3 records: keys of one direction (RFC 8446 7.1 to 7.3), and one record
 * sealed or opened with them (5.2, 5.3). For record.c only.
 */
#ifndef DERP_NET_RECORD_CIPHER_H
#define DERP_NET_RECORD_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "derp/net/record.h"

#define RECORD_HEADER  5
#define RECORD_TAG     16 /* of every suite */
#define RECORD_KEY_MAX 32
#define RECORD_IV      12

struct record_suite {
    uint16_t id;
    const char *name, *cipher, *digest; /* OpenSSL's names of the last two */
    size_t key, secret;                 /* bytes */
};

/* NULL when the suite is not known. */
const struct record_suite *record_suite_find(uint16_t id);

struct record_direction {
    uint64_t count; /* records under this key: the next sequence number */
    bool seals;
    uint16_t slot; /* of the pool, where a ready cipher may be */
    uint8_t iv[RECORD_IV];
    uint8_t key[RECORD_KEY_MAX];
    uint8_t secret[RECORD_SECRET_MAX];
};

/* Takes a traffic secret over, and derives key and IV. False: OpenSSL lacks the suite. */
bool record_direction_init(struct record_pool *pool, const struct record_suite *suite,
                           struct record_direction *d, const uint8_t *secret);

/* The next generation of the traffic secret (RFC 8446 7.2) and the keys of it, into next, with
 * number 0. False: OpenSSL had no memory; d is as it was, and its numbers are never used again. */
bool record_direction_next(struct record_pool *pool, const struct record_suite *suite,
                           const struct record_direction *d, struct record_direction *next);

/* From now on d has the keys of next, which is wiped. */
void record_direction_replace(struct record_pool *pool, struct record_direction *d,
                              struct record_direction *next);

/* Forgets the ready cipher, and wipes. */
void record_direction_wipe(struct record_pool *pool, struct record_direction *d);

/* n bytes at in to n + RECORD_TAG bytes at out. */
bool record_protect(struct record_pool *pool, const struct record_suite *suite,
                    struct record_direction *d, const uint8_t header[RECORD_HEADER],
                    const uint8_t *in, size_t n, uint8_t *out);

/* n bytes at in, at least RECORD_TAG, to n - RECORD_TAG bytes at out. False: not the peer's, or not
 * as it was sent; what stands at out is then not to be used. */
bool record_unprotect(struct record_pool *pool, const struct record_suite *suite,
                      struct record_direction *d, const uint8_t header[RECORD_HEADER],
                      const uint8_t *in, size_t n, uint8_t *out);

#endif
