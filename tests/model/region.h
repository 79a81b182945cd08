/* SPDX-License-Identifier: Apache-2.0 */
/* The relays under test, in this process, on loopback. */
#ifndef TESTS_MODEL_REGION_H
#define TESTS_MODEL_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "derp/net/identity.h"
#include "derp/net/loop.h"
#include "derp/relay/relay.h"
#include "tests/model/limits.h"

#define REGION_NAME         "relay.test"
#define REGION_WORKERS      3
#define REGION_CERTIFICATES 2
#define REGION_BUFFER       (32 * 1024) /* of the kernel, for each direction and end */

struct node {
    struct relay *relay;
    struct listener *listener;
    struct endpoint at;
    struct keypair keys;
    struct identity *certificates[REGION_CERTIFICATES];
    uint8_t leaf[32]; /* SHA-256 of the certificate in use */
    int32_t admitted; /* keys, as bits; -1: everyone */
    char *key_file;   /* in use; NULL: none */
    unsigned key_files;
};

struct region {
    struct loop *loop; /* the caller's */
    struct node nodes[NODES_MAX];
    unsigned count;
    struct keypair keys[KEYS_ALL]; /* of the clients */
    struct loop_wake drained;
    unsigned draining;
    char *dir;
};

/* Starts so many relays; dir: an empty folder for files. Failure ends the program. */
void region_start(struct region *r, struct loop *loop, unsigned count, const char *dir);
void region_stop(struct region *r);

void region_certificate(struct node *n, unsigned which);
void region_admit(struct region *r, struct node *n, int32_t admitted);
bool region_admits(const struct node *n, unsigned key);

/* Ends all relays in good order; r->draining falls to 0. */
void region_drain(struct region *r, int64_t bound_ms);

#endif
