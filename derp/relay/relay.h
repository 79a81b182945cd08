/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay: worker threads that serve DERP over TLS and STUN over UDP. Everything here is called
 * from the main thread, which accepts connections, owns the certificate and reads the numbers.
 */
#ifndef DERP_RELAY_RELAY_H
#define DERP_RELAY_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/config.h"
#include "base/fault.h"
#include "base/net.h"
#include "derp/net/identity.h"
#include "derp/net/loop.h"
#include "derp/net/tls.h"
#include "derp/relay/counters.h"
#include "derp/relay/mesh.h"
#include "derp/relay/site.h"
#include "derp/wire/key.h"

#define RELAY_APP_NAME 33

struct relay;

struct relay_options {
    unsigned workers; /* 1..64 threads */
    struct keypair server_key;
    const char *domain;    /* for redirects from port 80; may be NULL */
    struct endpoint *stun; /* addresses; real ports are written back where they were 0 */
    size_t stun_count;
    struct loop *loop;           /* of the main thread, for timers */
    const struct config *config; /* for admission, proxies and pages; read during the call only */
    size_t max_connections;      /* of all workers; the newest is refused beyond it */
    bool ageless; /* for tests: no packet is dropped because it has waited for too long */
};

/* Binds the STUN sockets and starts the threads. NULL with a reason otherwise. */
struct relay *relay_new(const struct relay_options *opt, struct fault *f);

/* New connections are served with this certificate from now on; running ones keep theirs. */
bool relay_set_identity(struct relay *r, const struct identity *id,
                        const struct tls_server_options *opt, struct fault *f);

/* Other admission sources from now on; clients that they do not admit lose their connections. On
 * failure the old ones stay. */
bool relay_set_admission(struct relay *r, const struct config *c, struct fault *f);

/* Another mesh key, other links from now on (see derp/relay/mesh.h); none at start. On failure
 * everything stays as it was. */
bool relay_set_mesh(struct relay *r, const struct config *c, struct fault *f);

/* Only these peers are accepted on RELAY_PORT_PROXY from now on; connections that run stay. */
void relay_set_proxies(struct relay *r, const struct config_networks *from);

/* The folder with answers to http-01 (copied), NULL: there is none. */
void relay_set_challenges(struct relay *r, const char *folder);

/* Another home page (taken over) and other names for /bootstrap-dns from now on. */
void relay_set_pages(struct relay *r, struct site_home *home, const struct config_names *names);

/* May clients choose this relay? While not, STUN stays silent. False at start, and for good once
 * it drains. */
void relay_set_ready(struct relay *r, bool ready);

/* Where a connection was accepted. */
enum relay_port {
    RELAY_PORT_TLS,
    RELAY_PORT_HTTP,
    RELAY_PORT_PROXY, /* TLS, behind a PROXY header that says who the client is */
};

/* Hands an accepted socket to the least loaded worker. */
void relay_accept(struct relay *r, int fd, const struct endpoint *peer, enum relay_port port);

/* Sum of all workers' counters into totals[COUNTERS]. */
void relay_counters(struct relay *r, uint64_t totals[static COUNTERS]);

/* A request for DERP that came through an HTTP proxy. */
struct relay_proxied {
    const char *sign; /* what gave it away (http_proxy_sign); NULL: there was none */
    struct endpoint from;
    time_t at;
};

/* Notes the last such request; relay_gauges tells it. On any thread. */
void relay_note_proxied(struct relay *r, const char *sign, const struct endpoint *from);

struct relay_gauges {
    uint64_t connections;  /* open TCP connections */
    uint64_t clients;      /* logged in */
    uint64_t home;         /* logged in and this is their home relay */
    uint64_t not_ideal;    /* logged in and would rather be on another node of the region */
    uint64_t probers;      /* logged in to probe the relay */
    uint64_t websockets;   /* logged in through WebSocket */
    uint64_t keys;         /* distinct keys logged in */
    uint64_t contested;    /* keys held by several connections */
    uint64_t remote;       /* keys that only other relays of the region have */
    uint64_t queued_bytes; /* in mailboxes between workers */
    uint64_t rechecks;     /* questions about clients that wait for an admission source */
    struct relay_proxied proxied;
};
void relay_gauges(struct relay *r, struct relay_gauges *g);

/* The state of at most max links to other relays; returns how many there are. */
size_t relay_mesh_status(struct relay *r, struct mesh_status *list, size_t max);

/* A client that is logged in. */
struct relay_client {
    char key[NODE_KEY_SHORT];
    char app[RELAY_APP_NAME]; /* what it calls itself, printable ASCII; "": nothing */
    struct endpoint peer;
    int64_t seconds;              /* since the login */
    uint64_t bytes_in, bytes_out; /* of its packets, and of those that it was sent */
    uint64_t dropped;             /* packets for it */
    uint64_t waiting;             /* bytes for it */
    bool is_home, is_mesh, is_prober, is_websocket, not_ideal, is_duplicate;
};

/* The list of all clients. The workers fill it, each a part a turn, so that it holds up nothing;
 * on_done is called on a worker's thread when they have. */
struct relay_roll;
struct relay_roll *relay_call_roll(struct relay *r, void (*on_done)(void *arg), void *arg);
bool relay_roll_is_done(struct relay_roll *roll);
/* Once it is done: the clients, in no order; NULL behind the last. */
const struct relay_client *relay_roll_get(const struct relay_roll *roll, size_t i);
/* At any time; on_done is not called any more. NULL: no-op. */
void relay_roll_free(struct relay_roll *roll);

/* True when every worker has turned its loop since the last call: the watchdog's question. */
bool relay_is_alive(struct relay *r);

/* Lets STUN be silent, tells all clients that the relay restarts, lets their queues drain, closes
 * everything and ends the threads, within bound_ms. on_done is called on a worker's thread when all
 * have ended. */
void relay_drain(struct relay *r, int64_t bound_ms, void (*on_done)(void *arg), void *arg);

/* Joins the threads (ending them at once if they still run) and frees all. */
void relay_free(struct relay *r);

#endif
