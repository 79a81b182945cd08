/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a TLS server presents: a private key, its certificate chain, and DERP's meta certificate.
 * X.509 only; the TLS protocol is tls.h's.
 */
#ifndef DERP_NET_IDENTITY_H
#define DERP_NET_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/fault.h"
#include "derp/wire/key.h"

struct identity;

struct identity_info {
    uint8_t sha256[32]; /* of the leaf's DER: the "sha256-raw" pin of a derpMap */
    time_t not_before;
    time_t not_after;
    size_t chain_length; /* certificates, leaf included */
    char subject[256];   /* first DNS name, or the subject, printable */
    char issuer[256];
};

/*
 * Reads a chain (leaf first) and its key from PEM files. Refused, with a reason: unreadable files,
 * blocks that are no certificates, a key that does not fit the leaf, a leaf that does not cover
 * domain (NULL: any), certificates that are not in issuing order.
 * An expired leaf is accepted: the caller judges dates. identity_free when done.
 */
struct identity *identity_load(const char *chain_path, const char *key_path, const char *domain,
                               struct fault *f);

/* Reads certificate and key from one PEM file: the challenge file that derp-acme writes. */
struct identity *identity_load_single(const char *path, struct fault *f);

/* A fresh P-256 key with a self-signed certificate for name (DNS name or IP literal), valid from
 * a day ago for so many days. */
struct identity *identity_self_signed(const char *name, int days, struct fault *f);

/* Another self-signed certificate for name under the key of old. */
struct identity *identity_renewed(const struct identity *old, const char *name, int days,
                                  struct fault *f);

/* Writes chain and key as PEM files, 0644 and 0600. */
bool identity_save(const struct identity *id, const char *chain_path, const char *key_path,
                   struct fault *f);

/* Writes the chain alone, 0644. */
bool identity_save_chain(const struct identity *id, const char *path, struct fault *f);

void identity_info(const struct identity *id, struct identity_info *info);

/* Does the leaf cover this host name or IP literal (RFC 6125, any case)? */
bool identity_covers(const struct identity *id, const char *name);

/*
 * Appends the meta certificate of a DERP server, made now: CN "derpkey" + hex of the public key,
 * serial 2, Ed25519, valid 30 days both ways (derp/derpserver: NewServer's initMetacert). A second
 * call replaces the first one's. Renew it at least every two weeks.
 */
bool identity_add_meta(struct identity *id, const struct node_key *server_key, struct fault *f);

void identity_free(struct identity *id);

#endif
