/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a relay, in the smallest form that runs: who gets a packet, who is told of whom.
 * Pure: it is told what clients did and what they received, and says what is wrong or missing.
 *
 * The relay has several threads and its clients do not wait for each other. So steps come in
 * *windows*, which end at quiet points, when nothing is on its way any more. Inside a window the
 * frames of one connection are taken in order, and those of different ones in any order. What is
 * true throughout a window is demanded exactly; where something changes within it, all that can
 * happen is allowed. At the quiet point everything is certain again.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "derp/relay/counters.h"
#include "tests/model/limits.h"

enum model_class { MODEL_DISCO, MODEL_OTHER, MODEL_CLASSES };

/* What keeps its order: on a full line small packets pass large ones. */
enum model_order { MODEL_ORDER_DISCO, MODEL_ORDER_SMALL, MODEL_ORDER_LARGE, MODEL_ORDERS };

enum model_ending {
    MODEL_STAYS,
    MODEL_LEAVES, /* ends within this window; what it has sent counts */
    MODEL_BREAKS, /* ends within this window; what it has sent may be lost */
};

enum model_heard { HEARD_NO, HEARD_MAYBE, HEARD_YES };

/* A connection that has logged in. */
struct model_conn {
    bool up;
    unsigned node;
    unsigned key;
    uint32_t serial; /* no two connections share it */
    uint64_t rank;   /* of those with one key the highest is the active one */
    bool is_home;
    bool is_stalled;  /* does not read */
    bool was_stalled; /* since it was last quiet */
    size_t weight;    /* what may wait for it since it stopped reading, generously */
    /* this window */
    enum model_ending ending;
    bool is_new;
    bool wrote;
    bool maybe_active; /* was active for some time, possibly */
    unsigned pings;
    unsigned unknown;
    bool is_told_of_fight; /* by Health */
    /* PeerGone, not here */
    unsigned asked;   /* how often that may have been the answer */
    unsigned told;    /* how often it was */
    int64_t since_ms; /* when it began to connect */
};

/* A packet that a client sent. */
struct model_packet {
    uint32_t seq;
    unsigned node;
    unsigned from; /* slot */
    uint32_t from_serial;
    unsigned src, dst; /* keys */
    uint32_t size;
    bool has_magic;
    enum model_class class;
    unsigned src_life[NODES_MAX]; /* which life of its source's key, as each node sees it */
    bool is_received;
    bool is_answered; /* by PeerGone, not here */
    /* known at the end of its window */
    bool is_closed;
    bool is_sure;      /* somebody's queue has had it */
    bool may_be_lost;  /* the key may have been missing */
    bool must_be_told; /* PeerGone, not here, is due */
    uint32_t to;       /* slots that may get it, as bits */
    unsigned windows;  /* that it has outlived */
};

/* PeerGone, disconnected: due, or seen before its time. */
struct model_gone {
    unsigned slot, key;
    unsigned life; /* of the key, that ended */
    bool is_told;  /* it came; or another one of the same key, that is not due */
    bool is_must;
    bool is_early;
    bool is_sure; /* the key has been missing, for sure */
};

/* What the relay's counters may say. */
struct model_node {
    uint64_t least[COUNTERS];
    uint64_t most[COUNTERS];
};

struct model {
    unsigned node_count;
    bool linked[NODES_MAX][NODES_MAX];          /* each watches the other and forwards to it */
    bool was_linked[NODES_MAX][NODES_MAX];      /* when the window began */
    unsigned known[NODES_MAX][NODES_MAX][KEYS]; /* since which window one knows a key at another; 0:
                                                   it did not when this window began */
    unsigned windows;
    struct model_node nodes[NODES_MAX];
    struct model_conn conns[SLOTS];
    enum model_heard heard[KEYS][SLOTS]; /* has this connection heard from that key? */
    unsigned lives[NODES_MAX][KEYS];     /* of a key, as the node sees it */
    struct {
        unsigned count; /* how often another connection became active by writing */
        int64_t since_ms;
    } turns[NODES_MAX][KEYS];
    struct {
        uint32_t serial, seq;
    } last[MODEL_ORDERS][SLOTS][SLOTS]; /* received: by receiver and sender */
    struct model_packet *packets;
    size_t packet_count, packet_room;
    struct model_gone *gones;
    size_t gone_count;
    uint64_t ranks;
    uint32_t serials;
    uint32_t seqs;
};

/* What certainly fits between relay and client while nobody reads, and what certainly does not:
 * beyond the first the relay may lose patience (after its write timeout), beyond the second it
 * must. */
#define MODEL_FITS       (24 * 1024)
#define MODEL_FITS_NEVER (900 * 1024)
#define MODEL_COST       1024 /* of a frame, whatever its size */

/* So many nodes, each linked to each other one. */
void model_init(struct model *m, unsigned nodes);

/* --- Steps. Each may be taken only if its question, where it has one, is answered by true; a quiet
 * point makes it so. */
bool model_may_join(const struct model *m, unsigned slot, unsigned node, unsigned key);
void model_joined(struct model *m, unsigned slot, unsigned node, unsigned key, int64_t since_ms);

bool model_may_write(const struct model *m, unsigned slot);
void model_wrote(struct model *m, unsigned slot, int64_t now_ms); /* any frame */
uint32_t model_sent(struct model *m, unsigned slot, unsigned dst, uint32_t size, bool has_magic);

void model_stalls(struct model *m, unsigned slot); /* stops reading; model_resumes: goes on */
void model_resumes(struct model *m, unsigned slot);

bool model_may_end(const struct model *m, unsigned slot, enum model_ending how);
void model_ends(struct model *m, unsigned slot, enum model_ending how);

/* A link between two nodes is made or cut; at a quiet point only, and one follows. */
void model_links(struct model *m, unsigned a, unsigned b, bool linked);

/* May the relay find that it does not read, and close it? */
bool model_may_starve(const struct model *m, unsigned slot);

/* --- What clients receive. False with a reason when they must not. */
bool model_packet(struct model *m, unsigned slot, unsigned src, const uint8_t *payload, size_t n,
                  struct fault *f);
bool model_peer_gone(struct model *m, unsigned slot, unsigned key, struct fault *f);
bool model_not_here(struct model *m, unsigned slot, unsigned key, int64_t now_ms, struct fault *f);

bool model_health(struct model *m, unsigned slot, bool is_ill, int64_t now_ms, struct fault *f);

/* --- Quiet points: the steps of the window are over; what do they mean? */
void model_close(struct model *m);
/* Is something still due? Says what. */
bool model_misses(const struct model *m, struct fault *f);
/* Slots (bits) for which something may still be on its way that is not due. */
uint32_t model_uncertain(const struct model *m);
/* Nothing is on its way any more to these slots, and nothing due is missing. */
void model_quiet(struct model *m, uint32_t slots);

/* --- Numbers */
struct model_gauges {
    uint64_t clients, home, keys, contested; /* links of other nodes are clients, too */
    uint64_t remote;                         /* keys that only other nodes have */
};
void model_gauges(const struct model *m, unsigned node, struct model_gauges *g);
/* Keys that `from` knows at `to`, its own not among them. */
uint64_t model_link_keys(const struct model *m, unsigned from, unsigned to);
/* The active connection of a key; -1 when it has none. */
int model_active(const struct model *m, unsigned node, unsigned key);
void model_count(struct model *m, unsigned node, enum counter_id id, uint64_t n);

void model_free(struct model *m);

#endif
