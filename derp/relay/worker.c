/* SPDX-License-Identifier: Apache-2.0 */
/* A thread with its loop, its sessions and its mailbox. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#include "base/log.h"
#include "base/mem.h"
#include "derp/relay/internal.h"
#include "derp/relay/mesh_link.h"
#include "derp/relay/worker.h"
#include "derp/wire/stun.h"

#define NO_SLOT      UINT32_MAX
#define PATROL_PARTS 60 /* a patrol asks about so many parts of the sessions, one after another */

/* --- Slots ---------------------------------------------------------------------------------- */

static struct slot *slot_at(const struct worker *w, uint32_t index)
{
    struct slot *chunk = atomic_load_explicit(&w->chunks[index / SLOT_CHUNK], memory_order_acquire);

    return chunk == NULL ? NULL : &chunk[index % SLOT_CHUNK];
}

struct session *worker_session_at(struct worker *w, uint32_t slot)
{
    return slot_at(w, slot)->session;
}

static void add_chunk(struct worker *w)
{
    struct slot *chunk = mem_alloc(SLOT_CHUNK, sizeof *chunk);
    uint32_t base = w->slots_made;

    for (uint32_t i = SLOT_CHUNK; i-- > 0;) {
        atomic_init(&chunk[i].generation, 1);
        chunk[i].next_free = w->first_free;
        w->first_free = base + i;
    }
    w->slots_made += SLOT_CHUNK;
    atomic_store_explicit(&w->chunks[base / SLOT_CHUNK], chunk, memory_order_release);
}

handle_t worker_take_slot(struct worker *w, struct session *s, struct mesh_link *l)
{
    struct slot *slot;
    uint32_t index;

    if (w->first_free == NO_SLOT)
        add_chunk(w);
    index = w->first_free;
    slot = slot_at(w, index);
    w->first_free = slot->next_free;
    slot->session = s;
    slot->link = l;
    return handle_make(w->index, index,
                       atomic_load_explicit(&slot->generation, memory_order_relaxed));
}

void worker_free_slot(struct worker *w, handle_t h)
{
    struct slot *slot = slot_at(w, handle_slot(h));
    uint32_t next = handle_generation(h) + 1;

    slot->session = NULL;
    slot->link = NULL;
    atomic_store_explicit(&slot->generation, next == 0 ? 1 : next, memory_order_relaxed);
    slot->next_free = w->first_free;
    w->first_free = handle_slot(h);
}

static const struct slot *find_slot(struct worker *w, handle_t h)
{
    const struct slot *slot = slot_at(w, handle_slot(h));

    if (slot == NULL ||
        atomic_load_explicit(&slot->generation, memory_order_relaxed) != handle_generation(h))
        return NULL;
    return slot;
}

struct session *worker_find(struct worker *w, handle_t h)
{
    const struct slot *slot = find_slot(w, h);

    return slot == NULL ? NULL : slot->session;
}

static struct mesh_link *find_link(struct worker *w, handle_t h)
{
    const struct slot *slot = find_slot(w, h);

    return slot == NULL ? NULL : slot->link;
}

bool worker_handle_alive(void *relay, handle_t h)
{
    const struct relay *r = relay;
    const struct slot *slot = slot_at(&r->workers[handle_worker(h)], handle_slot(h));

    return slot != NULL &&
           atomic_load_explicit(&slot->generation, memory_order_relaxed) == handle_generation(h);
}

/* --- Mail ----------------------------------------------------------------------------------- */

static void mailbox_append(struct worker *to, struct mail *head, struct mail *tail)
{
    bool was_empty;

    pthread_mutex_lock(&to->mail_lock);
    was_empty = to->mail_head == NULL;
    if (was_empty)
        to->mail_head = head;
    else
        to->mail_tail->next = head;
    to->mail_tail = tail;
    pthread_mutex_unlock(&to->mail_lock);
    if (was_empty)
        loop_wake_send(&to->wake);
}

void worker_post(struct worker *to, struct mail *m)
{
    m->next = NULL;
    mailbox_append(to, m, m);
}

void worker_call(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg)
{
    struct mail_call *c = mem_alloc(1, sizeof *c);

    c->mail.kind = MAIL_CALL;
    c->fn = fn;
    c->arg = arg;
    worker_post(w, &c->mail);
}

/* To whom it is for on this worker, if he is still there. Consumes p. */
static void deliver(struct worker *w, handle_t to, struct packet *p)
{
    struct session *s = worker_find(w, to);
    struct mesh_link *l = s == NULL ? find_link(w, to) : NULL;

    if (s != NULL) {
        exchange_deliver(s, p);
    } else if (l != NULL) {
        mesh_link_deliver(l, p);
    } else {
        count_drop(w, COUNTER_DROP_GONE_DISCO, p);
        packet_free(w->pool, p);
    }
}

void worker_send_now(struct relay *r, handle_t to, struct packet *p)
{
    struct worker *w = &r->workers[handle_worker(to)];

    p->mail.to = to;
    atomic_fetch_add_explicit(&w->mail_bytes, p->len, memory_order_relaxed);
    worker_post(w, &p->mail);
}

/* Sends a packet to a session or link of any worker. Consumes p. */
void worker_send(struct worker *from, handle_t to, struct packet *p)
{
    struct worker *w = &from->relay->workers[handle_worker(to)];
    struct outgoing *out = &from->outgoing[w->index];

    if (w == from) {
        deliver(w, to, p);
        return;
    }
    if (p->kind != PACKET_CONTROL &&
        atomic_load_explicit(&w->mail_bytes, memory_order_relaxed) + out->bytes > MAILBOX_MAX) {
        count_drop(from, COUNTER_DROP_TAIL_DISCO, p);
        packet_free(from->pool, p);
        return;
    }
    p->mail.to = to;
    p->mail.next = NULL;
    if (out->head == NULL)
        out->head = &p->mail;
    else
        out->tail->next = &p->mail;
    out->tail = &p->mail;
    out->bytes += p->len;
}

static void send_outgoing(struct worker *w)
{
    for (unsigned i = 0; i < w->relay->worker_count; i++) {
        struct outgoing *out = &w->outgoing[i];
        if (out->head == NULL)
            continue;
        atomic_fetch_add_explicit(&w->relay->workers[i].mail_bytes, out->bytes,
                                  memory_order_relaxed);
        mailbox_append(&w->relay->workers[i], out->head, out->tail);
        *out = (struct outgoing){0};
    }
}

static void open_packet(struct worker *w, struct packet *p)
{
    atomic_fetch_sub_explicit(&w->mail_bytes, p->len, memory_order_relaxed);
    deliver(w, p->mail.to, p);
}

static void open_verdict(struct worker *w, const struct mail_verdict *m)
{
    struct session *s = worker_find(w, m->mail.to);

    if (s == NULL)
        return;
    conn_pin(s->conn); /* what follows may end it */
    session_verdict(s, &m->answer);
    conn_unpin(s->conn);
}

static void open_close(struct worker *w, const struct mail *m)
{
    struct session *s = worker_find(w, m->to);

    if (s != NULL)
        session_close(s, CONN_END_LOCAL, "closed by a mesh peer");
}

static void open_addresses(struct worker *w, const struct mail_addresses *m)
{
    struct mesh_link *l = find_link(w, m->mail.to);

    if (l != NULL)
        mesh_link_addresses(l, m);
}

/* Everything but packets and rolls, which are kept. */
static void open_message(struct worker *w, struct mail *m)
{
    struct mail_accept *accept = (struct mail_accept *)m;
    struct mail_call *call = (struct mail_call *)m;

    switch (m->kind) {
    case MAIL_PACKET:
    case MAIL_ROLL:
        return;
    case MAIL_ACCEPT:
        session_new(w, accept->fd, accept->port, &accept->peer);
        return;
    case MAIL_CONTEXT:
        tls_context_free(w->tls);
        w->tls = ((struct mail_context *)m)->tls;
        return;
    case MAIL_VERDICT:
        open_verdict(w, (struct mail_verdict *)m);
        return;
    case MAIL_CALL:
        call->fn(w, call->arg);
        return;
    case MAIL_CLOSE:
        open_close(w, m);
        return;
    case MAIL_LINK:
        mesh_link_mail(w, (struct mail_link *)m);
        return;
    case MAIL_ADDRESSES:
        open_addresses(w, (struct mail_addresses *)m);
        return;
    }
}

static void open_mail(struct worker *w, struct mail *m)
{
    if (m->kind == MAIL_PACKET) {
        open_packet(w, (struct packet *)m);
        return;
    }
    if (m->kind == MAIL_ROLL) {
        roll_take(w, (struct mail_roll *)m);
        return;
    }
    open_message(w, m);
    free(m);
}

static void on_wake(void *arg)
{
    struct worker *w = arg;
    struct mail *m;

    pthread_mutex_lock(&w->mail_lock);
    m = w->mail_head;
    w->mail_head = w->mail_tail = NULL;
    pthread_mutex_unlock(&w->mail_lock);
    while (m != NULL) {
        struct mail *next = m->next;
        open_mail(w, m);
        m = next;
    }
}

/* --- STUN ----------------------------------------------------------------------------------- */

static enum counter_id stun_counter(enum stun_verdict v)
{
    switch (v) {
    case STUN_REQUEST:
        return COUNTER_STUN_OK;
    case STUN_NOT_BINDING:
        return COUNTER_STUN_NOT_BINDING;
    case STUN_MALFORMED:
        return COUNTER_STUN_MALFORMED;
    case STUN_WRONG_SOFTWARE:
        return COUNTER_STUN_SOFTWARE;
    case STUN_WRONG_FINGERPRINT:
        return COUNTER_STUN_FINGERPRINT;
    default:
        return COUNTER_STUN_NOT_STUN;
    }
}

static size_t answer_stun(void *arg, const uint8_t *data, size_t n, const struct endpoint *from,
                          uint8_t out[static DATAGRAM_ANSWER_MAX])
{
    struct worker *w = arg;
    uint8_t txid[STUN_TXID_LEN];
    enum stun_verdict v = stun_read_request(data, n, txid);

    if (v == STUN_REQUEST && !atomic_load_explicit(&w->relay->ready, memory_order_relaxed)) {
        count(&w->counters, COUNTER_STUN_SILENT, 1);
        return 0;
    }
    count(&w->counters, stun_counter(v), 1);
    return v == STUN_REQUEST ? stun_write_response(out, txid, from) : 0;
}

static void stun_unsent(void *arg, unsigned n)
{
    struct worker *w = arg;

    count(&w->counters, COUNTER_STUN_UNSENT, n);
}

/* --- Turns ---------------------------------------------------------------------------------- */

static void end_if_drained(struct worker *w)
{
    if (w->draining && atomic_load_explicit(&w->connections, memory_order_relaxed) == 0)
        loop_stop(w->loop);
}

/* Every connection that got something to send during the turn is written once, here. */
static void on_turn_end(void *arg)
{
    struct worker *w = arg;

    while (w->dirty != NULL) {
        struct session *s = w->dirty;
        DL_DELETE2(w->dirty, s, dirty_prev, dirty_next);
        s->is_dirty = false;
        session_turn_end(s);
    }
    if (w->links_dirty)
        mesh_link_turn_end(w);
    if (pacer_is_on(&w->pacer))
        pacer_run(&w->pacer);
    if (w->dirty != NULL) /* a write failed, and others hear of that end */
        loop_wake_send(&w->wake);
    send_outgoing(w);
    count_turn(w);
    end_if_drained(w);
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    struct relay *r = w->relay;

    loop_run(w->loop);
    if (atomic_fetch_sub(&r->running, 1) == 1 && r->on_drained != NULL)
        r->on_drained(r->on_drained_arg);
    return NULL;
}

/* --- Admission again ------------------------------------------------------------------------ */

static void recheck_every(struct worker *w, uint32_t first, uint32_t step, enum admission_why why)
{
    for (uint32_t i = first; i < w->slots_made; i += step) {
        struct session *s = slot_at(w, i)->session;
        if (s == NULL)
            continue;
        conn_pin(s->conn); /* a refused app ends it */
        session_recheck(s, why);
        conn_unpin(s->conn);
    }
}

void worker_recheck(struct worker *w, void *unused)
{
    (void)unused;
    recheck_every(w, 0, 1, ADMISSION_CHANGED);
}

/* Spread over the period, so that the sources are not asked about all clients at once. */
static void on_patrol(void *arg)
{
    struct worker *w = arg;

    if (!admission_is_open(w->relay->admission))
        recheck_every(w, w->patrol_step, PATROL_PARTS, ADMISSION_PATROL);
    w->patrol_step = (w->patrol_step + 1) % PATROL_PARTS;
    loop_timer_set(&w->patrol, w->patrol_ms / PATROL_PARTS);
}

void worker_set_patrol(struct worker *w, void *unused)
{
    int64_t period_ms = atomic_load(&w->relay->patrol_ms);

    (void)unused;
    if (period_ms == w->patrol_ms)
        return;
    w->patrol_ms = period_ms;
    loop_timer_stop(&w->patrol);
    if (period_ms > 0)
        loop_timer_set(&w->patrol, period_ms / PATROL_PARTS);
}

/* --- Life ----------------------------------------------------------------------------------- */

bool worker_init(struct worker *w, struct relay *r, unsigned index, const struct relay_options *opt,
                 struct fault *f)
{
    w->relay = r;
    w->index = index;
    w->first_free = NO_SLOT;
    w->loop = loop_new();
    w->scratch = conn_scratch_new();
    w->pool = packet_pool_new();
    w->chunks = mem_alloc(SLOT_CHUNKS, sizeof *w->chunks);
    w->outgoing = mem_alloc(opt->workers, sizeof *w->outgoing);
    w->stun = mem_alloc(opt->stun_count + 1, sizeof *w->stun);
    pthread_mutex_init(&w->mail_lock, NULL);
    loop_wake_init(&w->wake, w->loop, on_wake, w);
    loop_on_turn_end(w->loop, on_turn_end, w);
    pacer_init(&w->pacer, w->loop, opt->config->uplink);
    loop_timer_init(&w->patrol, w->loop, on_patrol, w);
    worker_set_patrol(w, NULL);
    for (size_t i = 0; i < opt->stun_count; i++) {
        w->stun[i] = datagram_open(&opt->stun[i], f);
        if (w->stun[i] == NULL)
            return false;
        datagram_start(w->stun[i], w->loop, answer_stun, stun_unsent, w);
    }
    return true;
}

bool worker_start(struct worker *w, struct fault *f)
{
    char name[16];

    if (pthread_create(&w->thread, NULL, run_worker, w) != 0)
        return fault_errno(f, "cannot start a worker thread");
    w->thread_started = true;
    snprintf(name, sizeof name, "derpd-%u", w->index);
    pthread_setname_np(w->thread, name);
    return true;
}

/* --- The end -------------------------------------------------------------------------------- */

static void close_sessions(struct worker *w)
{
    for (uint32_t i = 0; i < w->slots_made; i++) {
        struct session *s = slot_at(w, i)->session;
        if (s != NULL)
            conn_close(s->conn, CONN_END_LOCAL, "shutdown");
    }
}

static void drain_is_over(void *arg)
{
    struct worker *w = arg;

    mesh_link_stop_all(w);
    close_sessions(w);
    loop_stop(w->loop);
}

void worker_drain(struct worker *w, void *unused)
{
    int64_t bound_ms = w->relay->drain_ms;

    (void)unused;
    w->draining = true;
    mesh_link_stop_all(w);
    loop_timer_init(&w->drain, w->loop, drain_is_over, w);
    loop_timer_set(&w->drain, bound_ms);
    for (uint32_t i = 0; i < w->slots_made; i++) {
        struct session *s = slot_at(w, i)->session;
        if (s != NULL)
            session_restarting(s, bound_ms);
    }
    end_if_drained(w);
}

void worker_stop(struct worker *w, void *unused)
{
    (void)unused;
    drain_is_over(w);
}

static void discard_mail(struct mail *m)
{
    if (m->kind == MAIL_ROLL) {
        roll_discard((struct mail_roll *)m);
        return;
    }
    if (m->kind == MAIL_ACCEPT)
        close(((struct mail_accept *)m)->fd);
    else if (m->kind == MAIL_CONTEXT)
        tls_context_free(((struct mail_context *)m)->tls);
    else if (m->kind == MAIL_LINK)
        mesh_link_discard((struct mail_link *)m);
    free(m);
}

static void discard_list(struct mail *m)
{
    while (m != NULL) {
        struct mail *next = m->next;
        discard_mail(m);
        m = next;
    }
}

void worker_destroy(struct worker *w)
{
    if (w->loop == NULL)
        return;
    mesh_link_stop_all(w);
    close_sessions(w);
    discard_list(w->mail_head);
    for (unsigned i = 0; i < w->relay->worker_count; i++)
        discard_list(w->outgoing[i].head); /* the others may be gone already */
    for (size_t i = 0; w->stun != NULL && w->stun[i] != NULL; i++)
        datagram_close(w->stun[i]);
    for (uint32_t i = 0; i < w->slots_made; i += SLOT_CHUNK)
        free(slot_at(w, i));
    loop_wake_stop(&w->wake);
    tls_context_free(w->tls);
    packet_pool_free(w->pool);
    conn_scratch_free(w->scratch);
    pthread_mutex_destroy(&w->mail_lock);
    free(w->chunks);
    free(w->outgoing);
    free(w->stun);
    loop_free(w->loop);
    w->loop = NULL;
}
