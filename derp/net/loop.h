/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event loop, one per thread. The only place that knows libev; the watchers below are
 * embedded in their owners and their ev_ members are private to loop.c.
 *
 * Callbacks run on the thread that runs the loop. Apart from loop_wake_send nothing here may be
 * called from another thread once the loop runs.
 */
#ifndef DERP_NET_LOOP_H
#define DERP_NET_LOOP_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;

/* A loop of its own; aborts when the kernel gives none (out of descriptors at start). */
struct loop *loop_new(void);
void loop_free(struct loop *l);

/* Runs until loop_stop is called from a callback. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Monotonic milliseconds, read once per turn. */
int64_t loop_now_ms(struct loop *l);

/* The number of the turn: the next one's is another. */
unsigned loop_turn(struct loop *l);

/* Calls fn before the loop waits again, after all callbacks of the turn. One per loop. */
void loop_on_turn_end(struct loop *l, void (*fn)(void *arg), void *arg);
/* Calls that fn now, too: before work that takes long. */
void loop_end_turn(struct loop *l);

/* A one-shot timer. */
struct loop_timer {
    ev_timer ev;
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
};
void loop_timer_init(struct loop_timer *t, struct loop *l, void (*fn)(void *arg), void *arg);
/* Arms it (again) to fire once after this many milliseconds. */
void loop_timer_set(struct loop_timer *t, int64_t after_ms);
/* Disarms; legal when not armed. */
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_armed(const struct loop_timer *t);

/* Readiness of a descriptor. */
enum loop_events { LOOP_READ = 1, LOOP_WRITE = 2 };
struct loop_io {
    ev_io ev;
    struct loop *loop;
    void (*fn)(void *arg, int events);
    void *arg;
};
void loop_io_init(struct loop_io *io, struct loop *l, int fd, void (*fn)(void *arg, int events),
                  void *arg);
/* When in each turn it is called, among the others. Legal at any time. */
enum loop_rank { LOOP_FIRST, LOOP_USUAL, LOOP_LAST };
void loop_io_rank(struct loop_io *io, enum loop_rank rank);
/* Sets what is waited for (0: nothing). */
void loop_io_want(struct loop_io *io, int events);

/* A wake-up that any thread may send; several sends may become one call. */
struct loop_wake {
    ev_async ev;
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
};
void loop_wake_init(struct loop_wake *w, struct loop *l, void (*fn)(void *arg), void *arg);
void loop_wake_send(struct loop_wake *w);
void loop_wake_stop(struct loop_wake *w);

/* A signal, delivered on the loop of the main thread. */
struct loop_signal {
    ev_signal ev;
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
};
void loop_signal_init(struct loop_signal *s, struct loop *l, int signal_number,
                      void (*fn)(void *arg), void *arg);

#endif
