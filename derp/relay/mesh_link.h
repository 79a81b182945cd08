/* SPDX-License-Identifier: Apache-2.0 */
/* One link to another relay, on the thread of its worker. Private to this folder. */
#ifndef DERP_RELAY_MESH_LINK_H
#define DERP_RELAY_MESH_LINK_H

#include "derp/net/names.h"
#include "derp/relay/internal.h"
#include "derp/relay/mesh.h"

/* What a link tells about itself, and how to reach its node. Shared by the mesh and the link. */
struct mesh_node {
    struct relay *relay;
    char *host;
    char *dial; /* NULL: host */
    uint16_t port;
    unsigned worker; /* that has the link */
    uint8_t mesh_key[KEY_LEN];

    pthread_mutex_t lock; /* guards status */
    struct mesh_status status;
    unsigned refs; /* under the lock */
};
void mesh_node_unref(struct mesh_node *n);

/* To the node's worker: start its link (with a client context, which becomes the link's), or end
 * it and tell those who heard from its clients (tls is NULL). Carries a reference to the node. */
struct mail_link {
    struct mail mail;
    struct mesh_node *node;
    struct tls_context *tls;
};
void mesh_link_mail(struct worker *w, struct mail_link *m);
void mesh_link_discard(struct mail_link *m);
/* Ends all links of a worker. */
void mesh_link_stop_all(struct worker *w);

/* A ForwardPacket for the link's node. Consumes p. */
void mesh_link_deliver(struct mesh_link *l, struct packet *p);
/* At the end of a turn: writes what waits in the worker's links. */
void mesh_link_turn_end(struct worker *w);

/* The addresses of the node a link asked for. */
struct mail_addresses {
    struct mail mail;
    size_t count;
    struct endpoint list[NAMES_MAX];
    char problem[120];
};
void mesh_link_addresses(struct mesh_link *l, const struct mail_addresses *m);

#endif
