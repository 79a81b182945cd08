/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which connection owns a key, over all workers. Sharded; each shard has a mutex that is held for
 * a lookup only, and a version, so that a sender's own cache spares most lookups.
 *
 * Duplicates follow derper: the newest connection of a key is active; one that sends anything
 * becomes active; when the active one ends, the last other writer takes over.
 */
#ifndef DERP_RELAY_REGISTRY_H
#define DERP_RELAY_REGISTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "derp/relay/handle.h"
#include "derp/wire/key.h"

struct registry;

/* A connection's entry, embedded in its session. */
struct registry_member {
    struct node_key key;
    handle_t handle;
    atomic_bool contested; /* several connections hold the key: say so with registry_wrote */
    uint64_t last_write;   /* the registry's, under its lock */
};

/* alive tells whether a handle still names a session; any thread. */
struct registry *registry_new(bool (*alive)(void *arg, handle_t h), void *arg);
void registry_free(struct registry *r);

/* The member becomes its key's active connection. It stays the caller's and must be removed
 * before its memory goes. */
void registry_add(struct registry *r, struct registry_member *m);

/* Takes it out. When it was its key's last one, *audience gets everyone who was sent to from that
 * key (to be told PeerGone, then handle_set_free); empty otherwise. */
void registry_remove(struct registry *r, struct registry_member *m, struct handle_set *audience);

/* The member has sent something: it becomes active. Needed only while contested. */
void registry_wrote(struct registry *r, struct registry_member *m);

/* Active connection of dst, 0 when there is none; notes it in from's audience. *version is to be
 * remembered: the answer holds as long as registry_version(dst) is the same. */
handle_t registry_route(struct registry *r, struct registry_member *from,
                        const struct node_key *dst, uint64_t *version);
uint64_t registry_version(struct registry *r, const struct node_key *dst);

/* Numbers for metrics: keys known, and keys held by several connections. */
void registry_count(struct registry *r, uint64_t *keys, uint64_t *contested);

#endif
