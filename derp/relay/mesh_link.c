/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/mesh_link.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "derp/client/client.h"
#include "derp/relay/key_hash.h"

#define CONNECT_MS     1500 /* a node that comes back is not missed by a try under way for longer */
#define LOGIN_MS       5000
#define WRITE_MS       30000 /* derper's, between relays */
#define PING_MS        3000
#define SILENCE_MS     10000 /* a node that answers no ping for so long is dead */
#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS   1000
#define STEADY_MS      5000 /* a link that was up for so long is tried again at once */
#define KEYS_MAX       (1u << 20)
#define LOG_LINES      3 /* problems of a link that are logged in so much time */
#define LOG_WINDOW_MS  60000
#define SEND_MAX       65536 /* of the client itself: requests and pings */

struct remote_key {
    struct node_key key;
    UT_hash_handle hh;
};

struct mesh_link {
    struct worker *worker;
    struct mesh_node *node;
    handle_t handle;
    struct tls_context *tls;
    struct derp_client *client; /* NULL: waits for an address or for the next try */
    struct outbox outbox;
    struct paced paced;
    struct remote_key *keys;         /* clients of the node, as it told */
    struct loop_timer timer;         /* up: the next ping; without a client: the next try */
    struct endpoint list[NAMES_MAX]; /* the node's addresses, as they were last found */
    size_t count;
    size_t next;
    bool is_asking; /* for them */
    int64_t retry_ms;
    int64_t up_ms; /* since when, by the loop's clock */
    int64_t logged_since_ms;
    unsigned logged; /* problems, since then */
    bool is_up;
    bool is_dirty;
    bool was_told; /* of at least one client: so it lets us watch */
    bool is_self;
    bool is_stopping;
    struct mesh_link *prev_link, *next_link; /* of the worker */
};

/* --- What others see ------------------------------------------------------------------------ */

void mesh_node_unref(struct mesh_node *n)
{
    bool last;

    pthread_mutex_lock(&n->lock);
    last = --n->refs == 0;
    pthread_mutex_unlock(&n->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&n->lock);
    mem_wipe(n->mesh_key, sizeof n->mesh_key);
    free(n->host);
    free(n->dial);
    free(n);
}

/* Returns true when the problem is another one than before. */
static bool set_status(struct mesh_link *l, enum mesh_state state, const char *problem)
{
    struct mesh_status *s = &l->node->status;
    bool is_news;

    pthread_mutex_lock(&l->node->lock);
    is_news = strcmp(s->problem, problem) != 0;
    if (s->state != state)
        s->since = clock_wall();
    s->state = state;
    snprintf(s->problem, sizeof s->problem, "%s", problem);
    pthread_mutex_unlock(&l->node->lock);
    return is_news;
}

static void set_keys(struct mesh_link *l)
{
    pthread_mutex_lock(&l->node->lock);
    l->node->status.keys = HASH_COUNT(l->keys);
    pthread_mutex_unlock(&l->node->lock);
}

/* --- The node's clients --------------------------------------------------------------------- */

static void add_key(struct mesh_link *l, const struct node_key *key)
{
    static struct log_kind kind;
    struct remote_key *k;

    HASH_FIND(hh, l->keys, key->bytes, KEY_LEN, k);
    if (k != NULL)
        return;
    if (HASH_COUNT(l->keys) >= KEYS_MAX) {
        log_limited(&kind, LOG_LEVEL_WARNING, "mesh: %s has more than %u clients", l->node->host,
                    KEYS_MAX);
        return;
    }
    k = mem_alloc(1, sizeof *k);
    k->key = *key;
    HASH_ADD(hh, l->keys, key.bytes, KEY_LEN, k);
    registry_forwarder_add(l->worker->relay->registry, key, l->handle);
}

static void drop_key(struct mesh_link *l, struct remote_key *k)
{
    struct handle_set audience;

    registry_forwarder_remove(l->worker->relay->registry, &k->key, l->handle, &audience);
    exchange_tell_gone(l->worker, &k->key, &audience);
    handle_set_free(&audience);
    HASH_DEL(l->keys, k);
    free(k);
}

static void drop_keys(struct mesh_link *l)
{
    struct remote_key *k, *next;

    HASH_ITER(hh, l->keys, k, next)
    drop_key(l, k);
    set_keys(l);
}

static void on_peer_present(void *owner, const struct peer_present *peer)
{
    struct mesh_link *l = owner;

    if (!l->was_told) {
        l->was_told = true;
        set_status(l, MESH_UP, "");
        log_info("mesh: linked to %s", l->node->host);
    }
    /* This link itself is a client there, under our own key. */
    if (node_key_equal(&peer->key, &l->worker->relay->server_key.public_key))
        return;
    add_key(l, &peer->key);
    set_keys(l);
}

/* Whatever the reason: "not here" is the answer to a packet that came too late. */
static void on_peer_gone(void *owner, const struct node_key *peer, uint8_t reason)
{
    struct mesh_link *l = owner;
    struct remote_key *k;

    (void)reason;
    HASH_FIND(hh, l->keys, peer->bytes, KEY_LEN, k);
    if (k != NULL)
        drop_key(l, k);
    set_keys(l);
}

static void on_drop(void *arg, const struct packet *p, enum packet_fate why)
{
    struct mesh_link *l = arg;

    count_fate(l->worker, why, p);
}

static void on_took(void *arg, int64_t waited_ms)
{
    struct mesh_link *l = arg;

    count_wait(l->worker, waited_ms);
}

static struct outbox_tools tools_of(struct mesh_link *l)
{
    return (struct outbox_tools){.pool = l->worker->pool,
                                 .now_ms = loop_now_ms(l->worker->loop),
                                 .keep_late = l->worker->relay->ageless,
                                 .drop = on_drop,
                                 .took = on_took,
                                 .arg = l};
}

/* --- Turns under an uplink ------------------------------------------------------------------ */

static struct mesh_link *of_paced(struct paced *p)
{
    return (struct mesh_link *)(void *)((char *)p - offsetof(struct mesh_link, paced));
}

static struct outbox *paced_outbox(struct paced *p)
{
    return &of_paced(p)->outbox;
}

/* A link outlives its connection. */
static bool paced_send(struct paced *p, size_t budget, enum outbox_class class, size_t *n)
{
    struct mesh_link *l = of_paced(p);

    p->budget = budget;
    p->class = class;
    p->sent = 0;
    if (l->client != NULL)
        derp_client_flush(l->client);
    p->budget = 0;
    *n = p->sent;
    return true;
}

static const struct paced_calls paced_calls = {.outbox = paced_outbox, .send = paced_send};

/* --- Life ----------------------------------------------------------------------------------- */

static void link_free(struct mesh_link *l)
{
    pacer_remove(&l->worker->pacer, &l->paced);
    DL_DELETE2(l->worker->links, l, prev_link, next_link);
    worker_free_slot(l->worker, l->handle);
    tls_context_free(l->tls);
    mesh_node_unref(l->node);
    free(l);
}

/* A node may fail in several ways by turns. */
static bool may_log(struct mesh_link *l)
{
    int64_t now = loop_now_ms(l->worker->loop);

    if (now - l->logged_since_ms >= LOG_WINDOW_MS) {
        l->logged_since_ms = now;
        l->logged = 0;
    }
    return l->logged++ < LOG_LINES;
}

static void try_again(struct mesh_link *l, const char *problem)
{
    int64_t wait = l->retry_ms;

    if (set_status(l, MESH_CONNECTING, problem) && may_log(l))
        log_notice("mesh: no link to %s: %s; it is tried again", l->node->host, problem);
    l->retry_ms = wait == 0 ? RETRY_FIRST_MS : wait * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : wait * 2;
    /* Spread: all nodes of a region may have lost the same one. */
    loop_timer_set(&l->timer, wait / 2 + randombytes_uniform((uint32_t)wait / 2 + 1));
}

struct ask {
    struct relay *relay;
    handle_t link;
};

/* On the lookup thread. */
static void on_names(void *arg, const struct endpoint *list, size_t count, const char *problem)
{
    const struct ask *a = arg;
    struct mail_addresses *m = mem_alloc(1, sizeof *m);

    m->mail.kind = MAIL_ADDRESSES;
    m->mail.to = a->link;
    m->count = count;
    memcpy(m->list, list, count * sizeof *list);
    snprintf(m->problem, sizeof m->problem, "%s", problem);
    worker_post(&a->relay->workers[handle_worker(a->link)], &m->mail);
}

static void look_up(struct mesh_link *l)
{
    const char *name = l->node->dial != NULL ? l->node->dial : l->node->host;
    struct ask *a;

    if (l->is_asking)
        return;
    l->is_asking = true;
    a = mem_alloc(1, sizeof *a);
    a->relay = l->worker->relay;
    a->link = l->handle;
    names_ask(mesh_names(a->relay->mesh), name, l->node->port, on_names, a);
}

static void on_ready(void *owner)
{
    struct mesh_link *l = owner;

    if (node_key_equal(derp_client_server_key(l->client),
                       &l->worker->relay->server_key.public_key)) {
        l->is_self = true;
        log_info("mesh: %s is this relay", l->node->host);
        derp_client_close(l->client);
        return;
    }
    l->is_up = true;
    l->was_told = false;
    l->up_ms = loop_now_ms(l->worker->loop);
    derp_client_watch(l->client); /* answered by whoever has our mesh key */
    loop_timer_set(&l->timer, PING_MS);
}

static size_t on_fill(void *owner, uint8_t *out, size_t room, bool rest_only)
{
    struct mesh_link *l = owner;
    struct outbox_tools tools = tools_of(l);
    struct paced *p = &l->paced;
    size_t n;

    if (rest_only) { /* a ping cannot wait for our turn, nor be put into a frame */
        n = outbox_fill(&l->outbox, out, room, 0, OUTBOX_ALL, &tools);
        pacer_note(&l->worker->pacer, n);
        return n;
    }
    if (!pacer_is_on(&l->worker->pacer))
        return outbox_fill(&l->outbox, out, room, room, OUTBOX_ALL, &tools);
    if (p->budget == 0) {
        if (!outbox_empty(&l->outbox)) /* it was blocked, and takes more again */
            pacer_add(&l->worker->pacer, p);
        return 0;
    }
    n = outbox_fill(&l->outbox, out, room, p->budget, p->class, &tools);
    p->budget -= n < p->budget ? n : p->budget;
    p->sent += n;
    return n;
}

static void on_closed(void *owner, const char *reason)
{
    struct mesh_link *l = owner;
    bool was_refused = l->is_up && !l->was_told;
    struct outbox_tools tools = tools_of(l);
    char text[256];

    l->client = NULL;
    loop_timer_stop(&l->timer);
    if (l->is_up && loop_now_ms(l->worker->loop) - l->up_ms >= STEADY_MS)
        l->retry_ms = 0;
    l->is_up = false;
    outbox_clear(&l->outbox, &tools);
    drop_keys(l);
    if (l->is_stopping) {
        link_free(l);
    } else if (l->is_self) {
        set_status(l, MESH_SELF, "");
    } else {
        snprintf(text, sizeof text, "%s%s", reason,
                 was_refused ? " (has it the same mesh key?)" : "");
        try_again(l, text);
    }
}

static const struct derp_client_events link_events = {
    .on_ready = on_ready,
    .on_peer_present = on_peer_present,
    .on_peer_gone = on_peer_gone,
    .on_fill = on_fill,
    .on_closed = on_closed,
};

static void connect_to(struct mesh_link *l, const struct endpoint *to)
{
    struct worker *w = l->worker;
    struct client_info info = {.has_mesh_key = true};
    struct derp_client_options opt;
    struct fault f;

    memcpy(info.mesh_key, l->node->mesh_key, sizeof info.mesh_key);
    derp_client_defaults(&opt);
    opt.loop = w->loop;
    opt.scratch = w->scratch;
    opt.tls = l->tls;
    opt.to = *to;
    opt.name = l->node->host;
    opt.keys = &w->relay->server_key;
    opt.info = &info;
    opt.connect_timeout_ms = CONNECT_MS;
    opt.login_timeout_ms = LOGIN_MS;
    opt.idle_timeout_ms = SILENCE_MS;
    opt.write_timeout_ms = WRITE_MS;
    opt.send_max = SEND_MAX;
    l->client = derp_client_connect(&opt, &link_events, l, &f);
    mem_wipe(&info, sizeof info);
    if (l->client == NULL)
        try_again(l, f.text);
}

/* With the addresses that are known; those that are asked for meanwhile are for the next try. */
static void try_now(struct mesh_link *l)
{
    look_up(l);
    if (l->count > 0)
        connect_to(l, &l->list[l->next++ % l->count]);
}

void mesh_link_addresses(struct mesh_link *l, const struct mail_addresses *m)
{
    bool is_waiting = l->client == NULL && !l->is_self && !loop_timer_armed(&l->timer);
    char text[256];

    l->is_asking = false;
    if (m->count > 0) {
        l->count = m->count;
        memcpy(l->list, m->list, m->count * sizeof *m->list);
    }
    if (!is_waiting)
        return;
    if (l->count > 0) {
        connect_to(l, &l->list[l->next++ % l->count]);
        return;
    }
    snprintf(text, sizeof text, "its name cannot be looked up: %s", m->problem);
    try_again(l, text);
}

static void on_timer(void *arg)
{
    struct mesh_link *l = arg;
    uint8_t data[8];

    if (!l->is_up) {
        try_now(l);
        return;
    }
    loop_timer_set(&l->timer, PING_MS);
    randombytes_buf(data, sizeof data);
    derp_client_ping(l->client, data); /* may end the link */
}

static void start(struct worker *w, struct mesh_node *node, struct tls_context *tls)
{
    struct mesh_link *l = mem_alloc(1, sizeof *l);

    l->worker = w;
    l->node = node;
    l->tls = tls;
    l->outbox.limits = &outbox_mesh_limits;
    l->paced.calls = &paced_calls;
    l->handle = worker_take_slot(w, NULL, l);
    loop_timer_init(&l->timer, w->loop, on_timer, l);
    DL_APPEND2(w->links, l, prev_link, next_link);
    if (w->draining)
        link_free(l);
    else
        look_up(l);
}

static void stop(struct mesh_link *l)
{
    l->is_stopping = true;
    loop_timer_stop(&l->timer);
    if (l->client != NULL)
        derp_client_close(l->client); /* on_closed does the rest */
    else
        link_free(l);
}

void mesh_link_mail(struct worker *w, struct mail_link *m)
{
    struct mesh_link *l, *next;

    if (m->tls != NULL) {
        start(w, m->node, m->tls);
        return;
    }
    DL_FOREACH_SAFE2(w->links, l, next, next_link)
    {
        if (l->node == m->node)
            stop(l);
    }
    mesh_node_unref(m->node);
}

void mesh_link_discard(struct mail_link *m)
{
    tls_context_free(m->tls);
    mesh_node_unref(m->node);
}

void mesh_link_stop_all(struct worker *w)
{
    struct mesh_link *l, *next;

    DL_FOREACH_SAFE2(w->links, l, next, next_link)
    stop(l);
}

/* --- Packets -------------------------------------------------------------------------------- */

void mesh_link_deliver(struct mesh_link *l, struct packet *p)
{
    struct worker *w = l->worker;
    struct outbox_tools tools = tools_of(l);

    if (!l->is_up) {
        count_drop(w, COUNTER_DROP_GONE_DISCO, p);
        packet_free(w->pool, p);
        return;
    }
    count(&w->counters, COUNTER_FORWARDED_OUT, 1);
    outbox_push(&l->outbox, p, &tools);
    l->is_dirty = true;
    w->links_dirty = true;
    if (outbox_bytes(&l->outbox) >= FLUSH_EARLY && !pacer_is_on(&w->pacer))
        derp_client_flush(l->client);
}

static void flush(struct mesh_link *l)
{
    if (pacer_is_on(&l->worker->pacer))
        pacer_add(&l->worker->pacer, &l->paced);
    else
        derp_client_flush(l->client);
}

void mesh_link_turn_end(struct worker *w)
{
    struct mesh_link *l, *next;

    w->links_dirty = false;
    DL_FOREACH_SAFE2(w->links, l, next, next_link)
    {
        bool was_dirty = l->is_dirty;

        l->is_dirty = false;
        if (was_dirty && l->client != NULL)
            flush(l);
    }
}
