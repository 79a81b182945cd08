/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/admission_queue.h"

#include <stdlib.h>

void admission_queue_push(struct admission_queue *q, struct admission_question *one)
{
    one->next = NULL;
    if (q->head == NULL)
        q->head = one;
    else
        q->tail->next = one;
    q->tail = one;
    q->count++;
}

struct admission_question *admission_queue_pop(struct admission_queue *q)
{
    struct admission_question *one = q->head;

    if (one != NULL) {
        q->head = one->next;
        q->count--;
    }
    return one;
}

void admission_queue_append(struct admission_queue *q, struct admission_queue *more)
{
    struct admission_question *one;

    while ((one = admission_queue_pop(more)) != NULL)
        admission_queue_push(q, one);
}

void admission_queue_prune(struct admission_queue *q, bool (*is_alive)(void *arg, handle_t who),
                           void *arg)
{
    struct admission_queue all = *q;
    struct admission_question *one;

    *q = (struct admission_queue){0};
    while ((one = admission_queue_pop(&all)) != NULL) {
        if (is_alive(arg, one->who))
            admission_queue_push(q, one);
        else
            free(one);
    }
}

void admission_queue_clear(struct admission_queue *q)
{
    struct admission_question *one;

    while ((one = admission_queue_pop(q)) != NULL)
        free(one);
}
