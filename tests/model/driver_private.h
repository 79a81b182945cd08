/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by driver.c, driver_steps.c (what clients do), driver_events.c (what arrives) and
 * driver_wait.c (quiet points). */
#ifndef TESTS_MODEL_DRIVER_PRIVATE_H
#define TESTS_MODEL_DRIVER_PRIVATE_H

#include "tests/model/client.h"
#include "tests/model/driver.h"
#include "tests/model/model.h"
#include "tests/model/world.h"

#define WRITE_WAIT_MS 1900 /* the relay's write timeout is 2 s; it must not close earlier */
#define PINGS_MAX     256
#define WINDOW_STEPS  60
#define WINDOW_BYTES  (1024 * 1024)

/* A connection, from the client's side. */
struct place {
    struct client *client;     /* NULL: none */
    bool is_refused;           /* its login ended without ServerInfo */
    bool is_lost;              /* closed by the relay because it did not read */
    bool is_flooded;           /* it does not read, and more waits for it than can wait */
    int64_t stalled_ms;        /* when it stopped reading */
    int64_t since_ms;          /* when it began to connect */
    uint64_t pings[PINGS_MAX]; /* not answered yet */
    unsigned ping_count;
    uint64_t must_answer; /* the first ping since it was quiet; 0: none */
    bool may_skip;        /* a pong may wait for it: further pings may go unanswered */
    uint64_t barrier;     /* the ping whose answer is waited for; 0: none */
    int64_t barrier_ms;
    bool got_restarting;
};

struct driver {
    int64_t deadline_ms; /* for what must happen */
    struct loop *loop;
    struct loop_timer tick;
    struct conn_scratch *scratch;
    struct tls_context *tls;
    struct world world;
    struct model model;
    struct place places[SLOTS];
    struct client *abandoned;
    bool abandoned_is_open;
    uint64_t pings;
    uint64_t stalled_seen[NODES_MAX];    /* of the relay's counter */
    bool stalled_unclear[NODES_MAX];     /* it may or may not rise by one */
    unsigned turns[NODES_MAX];           /* of all workers, since it was asked for */
    struct relay_roll *rolls[NODES_MAX]; /* being called */
    uint32_t flushed, flushed_nodes;     /* whose queues are to be empty; where they may not be */
    unsigned window_steps;
    size_t window_bytes;
    int64_t window_ms; /* when it began */
    bool is_draining;
    const struct step *step; /* under way */
    size_t step_number;
    uint8_t scratch_packet[65536];
};

/* driver.c */
_Noreturn void driver_fail(struct driver *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* driver_steps.c */
void driver_take(struct driver *d, const struct step *s);
void driver_logged_in(struct driver *d, unsigned slot);
void driver_resume(struct driver *d, unsigned slot);

/* driver_events.c */
extern const struct client_events driver_events;
struct place *driver_place(struct driver *d, const struct client *c);

/* driver_wait.c */
/* Lets things happen until done() is true; fails after the deadline with what it says. why may be
 * NULL. */
void driver_until(struct driver *d, bool (*done)(struct driver *d, struct fault *why));
void driver_quiet(struct driver *d);
void driver_ping(struct driver *d, unsigned slot, size_t size);
const char *driver_counter_name(enum counter_id id);
int driver_starving(struct driver *d, unsigned node); /* slot, or -1 */

#endif
