/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The links to the other relays of the region. Over a link this relay hears which clients the other
 * one has (WatchConns) and hands it their packets (ForwardPacket); the other relay does the same
 * over its own link to us. Each link lives on a worker and is made again for ever, a second apart
 * at most, so that packets flow again soon after the other relay is back.
 *
 * As derper's, a link logs in with the relay's own key pair: a relay that meets its own key has
 * found itself in the list, and leaves it there. All functions are called on the main thread.
 */
#ifndef DERP_RELAY_MESH_H
#define DERP_RELAY_MESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/config.h"
#include "base/fault.h"
#include "derp/wire/key.h"

struct relay;
struct mesh;

#define MESH_NODE_TEXT 280 /* "host:port" and a terminator */

enum mesh_state {
    MESH_CONNECTING, /* looking up, connecting, logging in, or waiting for the next try */
    MESH_UP,
    MESH_SELF, /* it is this relay; not tried again */
};

struct mesh_status {
    char node[MESH_NODE_TEXT];
    enum mesh_state state;
    uint64_t keys;     /* clients there */
    time_t since;      /* of the state */
    char problem[256]; /* why the last try or link ended; "" while up */
};

/* Reads the config's mesh key and trust, without effect: for derpd --check. */
bool mesh_check(const struct config *c, struct fault *f);

/* No links yet. */
struct mesh *mesh_new(struct relay *r);

/*
 * From now on the mesh is the config's: its key admits other relays, links to nodes that are new
 * are made and others ended. Links that stay are not disturbed unless key or trust has changed.
 * On failure (a file that cannot be read) everything stays as it was.
 */
bool mesh_configure(struct mesh *m, const struct config *c, struct fault *f);

/* The state of at most max links; returns how many there are. */
size_t mesh_status(struct mesh *m, struct mesh_status *list, size_t max);

/* After the workers' threads have ended. */
void mesh_free(struct mesh *m);

const char *mesh_state_name(enum mesh_state s);

#endif
