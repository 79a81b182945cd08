/* SPDX-License-Identifier: Apache-2.0 */
/* The list of clients. A message goes to each worker, which takes down a part of its slots and
 * sends the message to itself again, until it is through. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "derp/relay/internal.h"

/* What one worker found. */
struct part {
    struct relay_client *list;
    size_t count, room;
};

struct relay_roll {
    pthread_mutex_t lock; /* guards the next four */
    unsigned refs;        /* the caller, and each worker that still has the message */
    unsigned open;        /* workers that have not finished */
    void (*on_done)(void *arg);
    void *arg;
    unsigned workers;
    struct part parts[]; /* the worker's own until it has finished */
};

static void unref(struct relay_roll *roll, bool finished)
{
    unsigned refs;

    pthread_mutex_lock(&roll->lock);
    refs = --roll->refs;
    if (finished && --roll->open == 0 && roll->on_done != NULL)
        roll->on_done(roll->arg);
    pthread_mutex_unlock(&roll->lock);
    if (refs > 0)
        return;
    for (unsigned i = 0; i < roll->workers; i++)
        free(roll->parts[i].list);
    pthread_mutex_destroy(&roll->lock);
    free(roll);
}

static void take_down(struct part *p, struct session *s)
{
    struct relay_client *c;

    if (p->count == p->room) {
        p->room += SLOT_CHUNK;
        p->list = mem_resize(p->list, p->room, sizeof *p->list);
    }
    c = &p->list[p->count++];
    *c = (struct relay_client){
        .peer = s->peer,
        .seconds = (loop_now_ms(s->worker->loop) - s->since_ms) / 1000,
        .bytes_in = s->bytes_in,
        .bytes_out = s->bytes_out,
        .dropped = s->dropped,
        .waiting = outbox_bytes(&s->outbox),
        .is_home = s->is_home,
        .is_mesh = s->is_mesh,
        .is_prober = (s->member.flags & PEER_PRESENT_PROBER) != 0,
        .is_websocket = s->tunnel != NULL,
        .not_ideal = (s->member.flags & PEER_PRESENT_NOT_IDEAL) != 0,
        .is_duplicate = atomic_load_explicit(&s->member.contested, memory_order_relaxed),
    };
    node_key_short(&s->member.key, c->key);
    snprintf(c->app, sizeof c->app, "%s", s->member.app_name == NULL ? "" : s->member.app_name);
}

void roll_take(struct worker *w, struct mail_roll *m)
{
    struct part *p = &m->roll->parts[w->index];

    for (int i = 0; i < SLOT_CHUNK && m->slot < w->slots_made; i++) {
        struct session *s = worker_session_at(w, m->slot++);
        if (s != NULL && s->state == SESSION_DERP)
            take_down(p, s);
    }
    if (m->slot < w->slots_made) {
        worker_post(w, &m->mail);
        return;
    }
    unref(m->roll, true);
    free(m);
}

void roll_discard(struct mail_roll *m)
{
    unref(m->roll, false);
    free(m);
}

struct relay_roll *relay_call_roll(struct relay *r, void (*on_done)(void *arg), void *arg)
{
    struct relay_roll *roll = mem_alloc(1, sizeof *roll + r->worker_count * sizeof roll->parts[0]);

    pthread_mutex_init(&roll->lock, NULL);
    roll->refs = 1 + r->worker_count;
    roll->open = roll->workers = r->worker_count;
    roll->on_done = on_done;
    roll->arg = arg;
    for (unsigned i = 0; i < r->worker_count; i++) {
        struct mail_roll *m = mem_alloc(1, sizeof *m);
        m->mail.kind = MAIL_ROLL;
        m->roll = roll;
        worker_post(&r->workers[i], &m->mail);
    }
    return roll;
}

bool relay_roll_is_done(struct relay_roll *roll)
{
    bool done;

    pthread_mutex_lock(&roll->lock);
    done = roll->open == 0;
    pthread_mutex_unlock(&roll->lock);
    return done;
}

const struct relay_client *relay_roll_get(const struct relay_roll *roll, size_t i)
{
    for (unsigned w = 0; w < roll->workers; w++) {
        if (i < roll->parts[w].count)
            return &roll->parts[w].list[i];
        i -= roll->parts[w].count;
    }
    return NULL;
}

void relay_roll_free(struct relay_roll *roll)
{
    if (roll == NULL)
        return;
    pthread_mutex_lock(&roll->lock);
    roll->on_done = NULL;
    pthread_mutex_unlock(&roll->lock);
    unref(roll, false);
}
