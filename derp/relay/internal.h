/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share; nothing outside it includes this. */
#ifndef DERP_RELAY_INTERNAL_H
#define DERP_RELAY_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "derp/net/conn.h"
#include "derp/net/datagram.h"
#include "derp/net/loop.h"
#include "derp/relay/admission.h"
#include "derp/relay/bootstrap.h"
#include "derp/relay/counters.h"
#include "derp/relay/handle.h"
#include "derp/relay/outbox.h"
#include "derp/relay/pacing.h"
#include "derp/relay/packet.h"
#include "derp/relay/registry.h"
#include "derp/relay/relay.h"
#include "derp/relay/site.h"
#include "derp/wire/frame.h"
#include "derp/wire/hello.h"
#include "derp/wire/websocket.h"

/* derper's deadlines. */
#define HANDSHAKE_TIMEOUT_MS  30000
#define HEAD_TIMEOUT_MS       30000
#define LOGIN_TIMEOUT_MS      10000
#define ADMISSION_WAIT_MS     (ADMISSION_TIMEOUT_MS + 5000)
#define WRITE_TIMEOUT_MS      2000
#define MESH_WRITE_TIMEOUT_MS 30000
#define KEEP_ALIVE_MS         60000
#define KEEP_ALIVE_JITTER_MS  5000
#define FINISH_MS             2000

#define NOT_HERE_BURST 3 /* PeerGone/not-here: at once, and then one a second (derper's limit) */

#define PRELOGIN_MAX 2048 /* connections of a worker that are not logged in */
/* What logins longer than LOGIN_SMALL (a real client's is a few hundred bytes), which announce
 * their length, and those who ask without reading may take together. */
#define PRELOGIN_BYTES (16 * 1024 * 1024)
#define LOGIN_SMALL    4096
#define ANSWERS_AHEAD  (16 * 1024)  /* bytes that wait for one who does not read, and */
#define HELD_SIZE      (128 * 1024) /* what he costs: they in packets, and his other requests */
#define MAILBOX_MAX    (16 * 1024 * 1024) /* packet bytes that wait for a worker */
#define FLUSH_EARLY    (96 * 1024)        /* a queue this long is written before the turn ends */
#define SLOT_CHUNK     1024               /* sessions per chunk of the slot table */
#define SLOT_CHUNKS    (HANDLE_SLOTS_MAX / SLOT_CHUNK)
#define DESTINATIONS   8 /* destinations that a sender remembers */

struct mesh;
struct mesh_link;
struct session;
struct worker;

/* A place for a session or a link. The generation is read by other threads; it changes when one
 * ends. */
struct slot {
    _Atomic uint32_t generation;
    struct session *session; /* owner thread only; both NULL: free */
    struct mesh_link *link;
    uint32_t next_free;
};

/* Messages that are not packets. */
struct mail_accept {
    struct mail mail;
    int fd;
    enum relay_port port;
    struct endpoint peer;
};

struct mail_context {
    struct mail mail;
    struct tls_context *tls;
};

struct mail_verdict {
    struct mail mail;
    struct admission_answer answer;
};

/* Wanders through a worker's slots; see roll.c. */
struct mail_roll {
    struct mail mail;
    struct relay_roll *roll;
    uint32_t slot; /* the next one */
};

struct mail_call {
    struct mail mail;
    void (*fn)(struct worker *w, void *arg);
    void *arg;
};

/* Mail collected during a turn for one other worker. */
struct outgoing {
    struct mail *head;
    struct mail *tail;
    size_t bytes;
};

struct worker {
    struct relay *relay;
    unsigned index;
    pthread_t thread;
    bool thread_started;
    struct loop *loop;
    struct conn_scratch *scratch;
    struct packet_pool *pool;
    struct tls_context *tls;
    struct datagram **stun;

    /* mailbox: filled by others, emptied by us */
    struct loop_wake wake;
    pthread_mutex_t mail_lock;
    struct mail *mail_head;
    struct mail *mail_tail;
    atomic_size_t mail_bytes;
    struct outgoing *outgoing; /* one per worker */

    /* sessions */
    struct slot *_Atomic *chunks;
    uint32_t slots_made;
    uint32_t first_free;      /* UINT32_MAX: none */
    struct session *dirty;    /* to be flushed at the end of the turn */
    struct session *prelogin; /* not logged in, oldest first */
    unsigned prelogin_count;
    size_t prelogin_bytes;   /* announced by long logins */
    struct pacer pacer;      /* with uplink: when its sessions and links may send */
    struct mesh_link *links; /* to other relays */
    bool links_dirty;
    bool draining;
    struct loop_timer drain;  /* bounds draining */
    struct loop_timer patrol; /* asks admission about a part of the sessions */
    int64_t patrol_ms;        /* period of the whole; 0: off */
    uint32_t patrol_step;     /* which part is next */

    atomic_uint_fast64_t connections;
    atomic_uint_fast64_t clients;
    atomic_uint_fast64_t home;
    atomic_uint_fast64_t not_ideal;
    atomic_uint_fast64_t probers;
    atomic_uint_fast64_t websockets;
    atomic_uint_fast64_t turns; /* for the watchdog */
    uint64_t turns_seen;        /* main thread */
    struct counters counters;
};

struct relay {
    struct keypair server_key;
    char *domain; /* may be NULL */
    struct registry *registry;
    struct admission *admission;
    struct mesh *mesh;
    struct config_networks proxies; /* main thread, like the next */
    struct counters counters;       /* of what never reaches a worker */
    struct site *site;
    struct bootstrap *bootstrap;
    pthread_mutex_t proxied_lock;
    struct relay_proxied proxied; /* the last one */
    struct worker *workers;
    unsigned worker_count;
    size_t max_connections;
    bool ageless; /* see relay_options */
    atomic_bool ready;
    atomic_uint running;           /* workers whose thread has not ended */
    atomic_int_fast64_t patrol_ms; /* between two looks at a client by admission; 0: none */
    bool is_draining;              /* main thread only */
    int64_t drain_ms;              /* how long draining may take; set before the workers are told */
    void (*on_drained)(void *arg);
    void *on_drained_arg;
};

enum session_state {
    SESSION_PROXY,     /* waits for the load balancer's PROXY header */
    SESSION_HANDSHAKE, /* TLS */
    SESSION_HTTP,      /* waits for a request head */
    SESSION_LOGIN,     /* ServerKey sent, waits for ClientInfo */
    SESSION_ADMISSION, /* admission is being asked */
    SESSION_DERP,      /* logged in */
    SESSION_FINISHING, /* last bytes are on their way */
};

/* Where a destination was found; good while its shard's version stays. */
struct destination {
    struct node_key key;
    struct registry_route route;
};

/* What a session has more when it speaks WebSocket. */
struct tunnel {
    struct websocket *codec;
    struct buf stream;  /* DERP bytes of incomplete frames */
    struct buf control; /* pongs and the close frame, to be sent between messages */
};

struct session {
    struct worker *worker;
    struct conn *conn;
    handle_t handle;
    enum session_state state;
    enum relay_port port;
    struct endpoint peer; /* behind a load balancer: the client, as its header says */
    struct outbox outbox;
    struct paced paced;
    struct registry_member member;    /* key and handle, once logged in */
    struct packet *server_info;       /* to be sent first of all, once it may be here */
    struct tunnel *tunnel;            /* NULL: DERP without WebSocket */
    int64_t since_ms;                 /* when it logged in, on the loop's clock */
    uint64_t bytes_in, bytes_out;     /* of its packets; out: without those that were dropped */
    uint64_t dropped;                 /* packets for it */
    struct destination *destinations; /* DESTINATIONS of them, from the first packet on */
    struct session *dirty_prev, *dirty_next;
    struct session *prelogin_prev, *prelogin_next;
    bool is_dirty;
    bool is_doomed; /* to be closed at the end of the turn */
    bool is_prelogin;
    bool is_home;
    bool is_mesh;       /* logged in with the mesh key: trusted */
    bool is_watching;   /* is told who comes and goes */
    bool told_of_fight; /* by a Health frame: its key belongs to several devices */
    bool asks_patrol;   /* admission has a question about it: ADMISSION_PATROL */
    bool asks_changed;  /* the same: ADMISSION_CHANGED */
    bool is_held;       /* further requests wait until the answers are written */
    bool pong_waits;    /* a pong is in the outbox: further pings are skipped */
    uint32_t announced; /* size of a long login that is on its way */
    uint8_t not_here_tokens;
    int64_t not_here_ms; /* when a token was last added */
};

/* worker.c */
/* Runs fn on the worker's thread; from any thread. */
void worker_call(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg);
void worker_post(struct worker *to, struct mail *m);
void worker_send(struct worker *from, handle_t to, struct packet *p);
/* The same from any thread, at once and in order: for what must not be overtaken. */
void worker_send_now(struct relay *r, handle_t to, struct packet *p);
struct session *worker_find(struct worker *w, handle_t h);
bool worker_handle_alive(void *relay, handle_t h);
/* One of both is given. */
handle_t worker_take_slot(struct worker *w, struct session *s, struct mesh_link *l);
void worker_free_slot(struct worker *w, handle_t h);
/* Who has the slot (below slots_made); NULL: nobody. */
struct session *worker_session_at(struct worker *w, uint32_t slot);

/* session.c: life and output */
void session_new(struct worker *w, int fd, enum relay_port port, const struct endpoint *peer);
void session_mark_dirty(struct session *s);
void session_turn_end(struct session *s); /* may end it */
void session_push(struct session *s, struct packet *p);
/* For calls of its outbox. */
struct outbox_tools session_tools(struct session *s);
void session_push_bytes(struct session *s, const void *bytes, size_t n);
void session_protocol_error(struct session *s, const char *what);
void session_finish(struct session *s);
void session_restarting(struct session *s, int64_t bound_ms);
/* No frame is taken any more, also not of those that are being read right now. */
void session_close(struct session *s, enum conn_end why, const char *reason);
/* Adds a client that is logged in to the worker's gauges, or takes it out. */
void session_gauges(struct session *s, bool is_here);
/* Bytes of the stream, by state; as conn_events.on_data. */
size_t session_take(struct session *s, const uint8_t *data, size_t n, size_t *want);

/* login.c: from TLS to the login, and whether the client may stay */
void prelogin_add(struct session *s);
void prelogin_remove(struct session *s);
void login_ready(void *owner);
/* Must the next request wait, because the answers to those before are still there? */
bool login_is_behind(struct session *s);
/* They are written. */
void login_caught_up(struct session *s);
size_t login_http(struct session *s, const uint8_t *data, size_t n);
size_t login_data(struct session *s, const uint8_t *data, size_t n, size_t *want);
void session_verdict(struct session *s, const struct admission_answer *a);
/* Asks admission again about a client that is logged in. */
void session_recheck(struct session *s, enum admission_why why);

/* proxied.c: whose connection it is, before TLS; and who may say so */
bool proxied_may_connect(struct relay *r, const struct endpoint *peer);
size_t proxied_preface(void *owner, const uint8_t *data, size_t n);

/* tunnel.c: DERP inside WebSocket */
void tunnel_open(struct session *s);
void tunnel_free(struct tunnel *t);
/* Takes bytes from the peer; what they hold goes on to take() as if it had come plainly. */
size_t tunnel_take(struct session *s, const uint8_t *data, size_t n,
                   size_t (*take)(struct session *s, const uint8_t *data, size_t n, size_t *want));
size_t tunnel_fill(struct session *s, uint8_t *out, size_t room, size_t goal,
                   enum outbox_class class);

/* exchange.c: frames of logged-in sessions */
size_t exchange_data(struct session *s, const uint8_t *data, size_t n, size_t *want);
void exchange_deliver(struct session *s, struct packet *p);
void exchange_left(struct session *s);
/* Tells a client whose key belonged to several devices when it does so no more. */
void exchange_check_fight(struct session *s);
/* Tells everyone who heard from a key that it is gone. */
void exchange_tell_gone(struct worker *w, const struct node_key *key,
                        const struct handle_set *audience);
/* A drop of disco packets is counted by the first, of others by the counter behind it. */
enum counter_id exchange_by_kind(enum counter_id disco, enum packet_kind kind);
/* The RecvPacket that a packet from src becomes: the one copy. */
struct packet *exchange_recv_packet(struct worker *w, const struct node_key *src,
                                    const uint8_t *payload, size_t n, enum packet_kind kind);
/* PeerGone/not-here, as often as is allowed. */
void exchange_not_here(struct session *s, const struct node_key *dst);

/* region.c: frames of mesh peers, and what they are told */
void region_forward(struct session *s, const struct frame *f);
void region_watch(struct session *s, const struct frame *f);
void region_unwatch(struct session *s);
void region_close_peer(struct session *s, const struct frame *f);
/* For registry_events: m has come or gone. */
void region_tell(void *relay, handle_t watcher, const struct registry_member *m, bool present);

/* mesh.c, from any thread */
bool mesh_admits(struct mesh *m, const struct client_info *info);
struct names *mesh_names(struct mesh *m);

/* roll.c: takes down a part of the worker's clients. Consumes m. */
void roll_take(struct worker *w, struct mail_roll *m);
void roll_discard(struct mail_roll *m);

/* Counts a packet that will not arrive; disco_reason: the reason's counter for disco packets. */
void count_drop(struct worker *w, enum counter_id disco_reason, const struct packet *p);
/* A packet has waited for so long in its queue, and is sent. */
void count_wait(struct worker *w, int64_t ms);
/* The same for one that its queue has dropped. */
void count_fate(struct worker *w, enum packet_fate why, const struct packet *p);

#endif
