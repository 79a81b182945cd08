/* SPDX-License-Identifier: Apache-2.0 */
/* The relays under test, in this process, on loopback. */
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "derp/net/identity.h"
#include "derp/net/loop.h"
#include "derp/relay/relay.h"
#include "tests/model/limits.h"

#define WORLD_WORKERS      3
#define WORLD_CERTIFICATES 2
#define WORLD_BUFFER       (32 * 1024) /* of the kernel, for each direction and end */

struct node {
    char name[16]; /* each its own: links tell certificates apart by it */
    struct relay *relay;
    struct listener *listener;
    struct endpoint at;
    struct keypair keys;
    struct identity *certificates[WORLD_CERTIFICATES]; /* with links the first alone is used */
    uint8_t leaf[32];                                  /* SHA-256 of the certificate in use */
    int32_t admitted;                                  /* keys, as bits; -1: everyone */
    char *key_file;                                    /* in use; NULL: none */
    unsigned key_files;
};

struct world {
    struct loop *loop; /* the caller's */
    struct node nodes[NODES_MAX];
    unsigned count;
    struct keypair keys[KEYS_ALL]; /* of the clients */
    struct loop_wake drained;
    unsigned draining;
    char *dir;
    char *mesh_key_file;
    char *ca_file; /* the certificates of all nodes */
};

/* Starts so many relays; dir: an empty folder for files. Failure ends the program. */
void world_start(struct world *w, struct loop *loop, unsigned count, const char *dir);
void world_stop(struct world *w);

/* Links between relays: linked[a][b] says whether a has one to b. */
void world_links(struct world *w, bool linked[NODES_MAX][NODES_MAX]);

void world_certificate(struct world *w, struct node *n, unsigned which);
void world_admit(struct world *w, struct node *n, int32_t admitted);
bool world_admits(const struct node *n, unsigned key);

/* Ends all relays in good order; w->draining falls to 0. */
void world_drain(struct world *w, int64_t bound_ms);

#endif
