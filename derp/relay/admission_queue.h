/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to admission that wait, oldest first. No locks. */
#ifndef DERP_RELAY_ADMISSION_QUEUE_H
#define DERP_RELAY_ADMISSION_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "derp/relay/admission.h"
#include "derp/relay/handle.h"
#include "derp/wire/key.h"

struct admission_question {
    handle_t who;
    struct node_key key;
    struct endpoint from;
    enum admission_why why;
    bool is_doubted;  /* refused once already */
    int64_t asked_ms; /* doubted: from when on it may be asked again */
    struct admission_question *next;
};

/* Zeroed: empty. */
struct admission_queue {
    struct admission_question *head, *tail;
    size_t count;
};

void admission_queue_push(struct admission_queue *q, struct admission_question *one);
/* The oldest, or NULL. */
struct admission_question *admission_queue_pop(struct admission_queue *q);
/* All of more go behind those of q. */
void admission_queue_append(struct admission_queue *q, struct admission_queue *more);
/* Frees those about connections that have ended. */
void admission_queue_prune(struct admission_queue *q, bool (*is_alive)(void *arg, handle_t who),
                           void *arg);
void admission_queue_clear(struct admission_queue *q);

#endif
