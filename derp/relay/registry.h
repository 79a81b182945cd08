/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is where: which connection owns a key, over all workers, and which node of the region has the
 * keys that are not here. Sharded; each shard has a mutex that is held for a lookup only, and a
 * version, so that a sender's own cache spares most lookups.
 *
 * Duplicates follow derper: the newest connection of a key is active; one that sends anything
 * becomes active; when the active one ends, the last other writer takes over. A connection here
 * wins over other nodes; of those, the one that has had the key for longest is used.
 *
 * A key is gone from the region when neither a connection nor a node has it any more. Then everyone
 * here who has heard from it is to be told: its audience.
 */
#ifndef DERP_RELAY_REGISTRY_H
#define DERP_RELAY_REGISTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "derp/relay/handle.h"
#include "derp/wire/key.h"

struct registry;

/* A connection's entry, embedded in its session. */
struct registry_member {
    struct node_key key;
    handle_t handle;
    const struct endpoint *peer; /* what watchers are told, with the two below; not changed */
    const char *app_name;        /* NULL: none */
    uint8_t flags;               /* enum peer_present_flags */
    atomic_bool contested;       /* several connections hold the key: say so with registry_wrote */
    uint64_t last_write;         /* the registry's, under its lock */
};

/* Called with a lock of the registry held, on the thread of the caller: they must not call it. */
struct registry_events {
    /* Does a handle still name a session? */
    bool (*alive)(void *arg, handle_t h);
    /* A connection of m's key has come, or the last one has gone. For each key a watcher is told in
     * the order in which it happened. */
    void (*tell)(void *arg, handle_t watcher, const struct registry_member *m, bool present);
    void *arg;
};

struct registry *registry_new(const struct registry_events *events);
void registry_free(struct registry *r);

/* The member becomes its key's active connection. It stays the caller's and must be removed
 * before its memory goes. */
void registry_add(struct registry *r, struct registry_member *m);

/* Takes it out. When its key is gone with it, *audience gets everyone who heard from the key (to
 * be told PeerGone, then handle_set_free); empty otherwise. */
void registry_remove(struct registry *r, struct registry_member *m, struct handle_set *audience);

/* The member has sent something: it becomes active. Needed only while contested. True when the
 * key's connections take it from each other again and again: it belongs to several devices. */
bool registry_wrote(struct registry *r, struct registry_member *m, int64_t now_ms);

enum registry_scope {
    REGISTRY_REGION, /* connections here, then other nodes */
    REGISTRY_LOCAL,  /* connections here: what was forwarded once is never forwarded again */
};

struct registry_route {
    handle_t to;     /* 0: the key is nowhere */
    bool is_forward; /* `to` is a link to the node that has the key */
    uint64_t version;
};

/* Where packets from src to dst go. A connection that gets them is noted in src's audience. The
 * answer holds as long as registry_version(dst) is its version. */
struct registry_route registry_route(struct registry *r, const struct node_key *src,
                                     const struct node_key *dst, enum registry_scope scope);
uint64_t registry_version(struct registry *r, const struct node_key *dst);

/* The connections of a key, at most max of them, into list; returns how many there are. */
size_t registry_connections(struct registry *r, const struct node_key *key, handle_t *list,
                            size_t max);

/* --- Other nodes ---------------------------------------------------------------------------- */

/* The node behind `link` has the key; again is a no-op. */
void registry_forwarder_add(struct registry *r, const struct node_key *key, handle_t link);
/* It has it no more (no-op when it had not). *audience as for registry_remove. */
void registry_forwarder_remove(struct registry *r, const struct node_key *key, handle_t link,
                               struct handle_set *audience);

/* From now on the watcher is told of changes; those who are here already come first, by `here`,
 * before this returns (called as registry_events are). */
void registry_watch(struct registry *r, handle_t watcher,
                    void (*here)(void *arg, const struct registry_member *m), void *arg);
void registry_unwatch(struct registry *r, handle_t watcher);

/* Numbers for metrics. */
struct registry_counts {
    uint64_t keys;      /* with a connection here */
    uint64_t contested; /* of these, with several */
    uint64_t remote;    /* that only other nodes have */
};
void registry_count(struct registry *r, struct registry_counts *c);

#endif
