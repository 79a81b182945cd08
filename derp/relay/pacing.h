/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose turn it is to send when the whole server is kept below the rate of its line (uplink): the
 * receivers for whom something waits take turns by bytes. What is urgent goes first, at most three
 * quarters of what may be sent while there is anything else. One worker has all connections then,
 * so that nothing has to be agreed upon between threads.
 */
#ifndef DERP_RELAY_PACING_H
#define DERP_RELAY_PACING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "derp/net/loop.h"
#include "derp/relay/outbox.h"
#include "derp/relay/shaper.h"

struct paced;

struct paced_calls {
    struct outbox *(*outbox)(struct paced *p);
    /* Writes frames of the class until at least budget bytes have been written, and not a frame
     * more. *n: the bytes; 0: nothing waits, or the receiver's own line takes nothing. False when
     * the receiver has ended, and is no more. */
    bool (*send)(struct paced *p, size_t budget, enum outbox_class class, size_t *n);
};

/* A receiver, embedded in its session or link. */
struct paced {
    const struct paced_calls *calls;
    struct paced *prev, *next;
    int32_t deficit;
    uint32_t urgent; /* bytes of this turn with what is urgent */
    bool is_queued;
    size_t budget; /* the owner's, while it sends */
    size_t sent;
    enum outbox_class class;
};

struct pacer {
    struct shaper shaper;
    struct loop *loop;
    struct loop_timer timer;
    struct paced *ring;  /* whose turn is next */
    int32_t rest_credit; /* bytes that the rest may send before what is urgent */
};

/* uplink: bits per second; 0: off, nothing below is needed. */
void pacer_init(struct pacer *pacer, struct loop *loop, uint64_t uplink);
bool pacer_is_on(const struct pacer *pacer);

/* Something waits for the receiver; pacer_run sends it. */
void pacer_add(struct pacer *pacer, struct paced *p);
/* Legal when it is not queued. */
void pacer_remove(struct pacer *pacer, struct paced *p);

/* At the end of a turn: sends what may be sent, and comes back when more may. */
void pacer_run(struct pacer *pacer);

/* Bytes that went out besides, such as answers to HTTP requests. */
void pacer_note(struct pacer *pacer, size_t n);
/* Bytes that came in: the kernel acknowledges them over the same line. */
void pacer_note_received(struct pacer *pacer, size_t n);

#endif
