/* SPDX-License-Identifier: Apache-2.0 */
/* Curve25519 node keys and their texts ("nodekey:<hex>", "privkey:<hex>"). Pure; main has called
 * sodium_init(). */
#ifndef DERP_WIRE_KEY_H
#define DERP_WIRE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define KEY_LEN 32

/* A public key; named by its bytes, compared as bytes. */
struct node_key {
    uint8_t bytes[KEY_LEN];
};

/* A private key and its public key. Wipe with keypair_wipe. */
struct keypair {
    uint8_t secret[KEY_LEN];
    struct node_key public_key;
};

bool node_key_equal(const struct node_key *a, const struct node_key *b);
bool node_key_is_zero(const struct node_key *k);

/* "nodekey:" + 64 lower-case hex digits + terminator. */
#define NODE_KEY_TEXT (8 + 64 + 1)
char *node_key_print(const struct node_key *k, char text[static NODE_KEY_TEXT]);
/* Tailscale's short form for logs: '[' + 5 base64 characters + ']'. */
#define NODE_KEY_SHORT 8
char *node_key_short(const struct node_key *k, char text[static NODE_KEY_SHORT]);
/* "nodekey:<64 hex>" of either case. */
bool node_key_parse(const char *text, struct node_key *k);

/* A keypair from 32 random bytes (clamped as X25519 wants). */
void keypair_from_seed(const uint8_t seed[static KEY_LEN], struct keypair *pair);
void keypair_wipe(struct keypair *pair);

/* derper's key file: JSON {"PrivateKey":"privkey:<64 hex>"}; other members are ignored. A zero key
 * is refused. */
bool keypair_parse_file(const char *text, size_t n, struct keypair *pair, struct fault *f);
/* The same file's content with a newline; free() after wiping it (mem_wipe). */
char *keypair_print_file(const struct keypair *pair);

/* 64 hex digits with white space around them: a mesh key file. Zeros alone are refused: on the
 * wire they mean "no mesh key". */
bool mesh_key_parse(const char *text, size_t n, uint8_t key[static KEY_LEN], struct fault *f);

#endif
