/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/registry.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "derp/relay/key_hash.h"

/* A key is fought over when its active connection changes so often within that time, and not only
 * in its first seconds. */
#define FIGHT_TURNS     6
#define FIGHT_WITHIN_MS 60000
#define FIGHT_LASTS_MS  10000

#define SHARDS     64
#define GHOSTS_MAX 1024 /* of a shard */

/* A key with connections, with forwarders, or with an audience alone: a ghost. That is a key whose
 * packets were forwarded to us before (or without) its node's word that it is there. */
struct entry {
    struct node_key key;
    struct registry_member **members;
    size_t count;
    struct registry_member *active;
    int64_t turns_since_ms; /* the active one has changed by writing `turns` times since then */
    unsigned turns;
    bool is_fought_over;
    handle_t *forwarders; /* oldest first */
    size_t forwarder_count;
    struct handle_set audience; /* connections here that got packets from this key */
    UT_hash_handle hh;
};

struct shard {
    pthread_mutex_t lock;
    atomic_uint_fast64_t version;
    struct entry *entries;
    uint64_t writes; /* orders writers of contested keys */
    size_t ghosts;
    handle_t *watchers;
    size_t watcher_count;
};

struct registry {
    struct shard shards[SHARDS];
    struct registry_events events;
};

struct registry *registry_new(const struct registry_events *events)
{
    struct registry *r = mem_alloc(1, sizeof *r);

    key_hash_init();
    r->events = *events;
    for (int i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&r->shards[i].lock, NULL);
        atomic_init(&r->shards[i].version, 1);
    }
    return r;
}

static void entry_free(struct shard *s, struct entry *e)
{
    HASH_DEL(s->entries, e);
    handle_set_free(&e->audience);
    free(e->members);
    free(e->forwarders);
    free(e);
}

void registry_free(struct registry *r)
{
    if (r == NULL)
        return;
    for (int i = 0; i < SHARDS; i++) {
        struct entry *e, *next;
        HASH_ITER(hh, r->shards[i].entries, e, next)
        entry_free(&r->shards[i], e);
        free(r->shards[i].watchers);
        pthread_mutex_destroy(&r->shards[i].lock);
    }
    free(r);
}

/* Keys are random bytes, or a stranger's choice: then he only crowds his own shard's lock. */
static struct shard *shard_of(struct registry *r, const struct node_key *k)
{
    return &r->shards[k->bytes[KEY_LEN / 2] % SHARDS];
}

static struct entry *find(struct shard *s, const struct node_key *k)
{
    struct entry *e;

    HASH_FIND(hh, s->entries, k->bytes, KEY_LEN, e);
    return e;
}

static bool is_ghost(const struct entry *e)
{
    return e->count == 0 && e->forwarder_count == 0;
}

/* Nobody will say when a ghost has gone, so they go all at once when they have become many. */
static void drop_ghosts(struct shard *s)
{
    struct entry *e, *next;

    HASH_ITER(hh, s->entries, e, next)
    {
        if (is_ghost(e))
            entry_free(s, e);
    }
    s->ghosts = 0;
}

static struct entry *make_ghost(struct shard *s, const struct node_key *key)
{
    struct entry *e;

    if (s->ghosts >= GHOSTS_MAX)
        drop_ghosts(s);
    e = mem_alloc(1, sizeof *e);
    e->key = *key;
    HASH_ADD(hh, s->entries, key.bytes, KEY_LEN, e);
    s->ghosts++;
    return e;
}

static struct entry *find_or_make(struct shard *s, const struct node_key *key)
{
    struct entry *e = find(s, key);

    return e != NULL ? e : make_ghost(s, key);
}

/* After a connection or forwarder was taken out: when it was the last one, the key is gone. */
static void end_if_gone(struct shard *s, struct entry *e, struct handle_set *audience)
{
    if (!is_ghost(e))
        return;
    *audience = e->audience;
    e->audience = (struct handle_set){0};
    entry_free(s, e);
}

static void set_contested(struct entry *e)
{
    for (size_t i = 0; i < e->count; i++)
        atomic_store_explicit(&e->members[i]->contested, e->count > 1, memory_order_relaxed);
    if (e->count > 1)
        return;
    e->turns = 0;
    e->is_fought_over = false;
}

static void changed(struct shard *s)
{
    atomic_fetch_add_explicit(&s->version, 1, memory_order_release);
}

static void tell_watchers(struct registry *r, const struct shard *s,
                          const struct registry_member *m, bool present)
{
    for (size_t i = 0; i < s->watcher_count; i++)
        r->events.tell(r->events.arg, s->watchers[i], m, present);
}

void registry_add(struct registry *r, struct registry_member *m)
{
    struct shard *s = shard_of(r, &m->key);
    struct entry *e;

    pthread_mutex_lock(&s->lock);
    e = find_or_make(s, &m->key);
    s->ghosts -= is_ghost(e);
    e->members = mem_resize(e->members, e->count + 1, sizeof *e->members);
    e->members[e->count++] = m;
    e->active = m;
    m->last_write = ++s->writes;
    set_contested(e);
    changed(s);
    tell_watchers(r, s, m, true);
    pthread_mutex_unlock(&s->lock);
}

static struct registry_member *last_writer(const struct entry *e)
{
    struct registry_member *best = e->members[0];

    for (size_t i = 1; i < e->count; i++)
        if (e->members[i]->last_write > best->last_write)
            best = e->members[i];
    return best;
}

void registry_remove(struct registry *r, struct registry_member *m, struct handle_set *audience)
{
    struct shard *s = shard_of(r, &m->key);
    struct entry *e;

    *audience = (struct handle_set){0};
    pthread_mutex_lock(&s->lock);
    e = find(s, &m->key);
    for (size_t i = 0; i < e->count; i++)
        if (e->members[i] == m)
            e->members[i] = e->members[--e->count];
    if (e->active == m)
        e->active = e->count > 0 ? last_writer(e) : NULL;
    set_contested(e);
    if (e->count == 0) {
        tell_watchers(r, s, m, false);
        end_if_gone(s, e, audience);
    }
    changed(s);
    pthread_mutex_unlock(&s->lock);
}

/* A client that changes its network writes on its old connection for a moment at most. */
static void note_turn(struct entry *e, int64_t now_ms)
{
    if (e->turns == 0 || now_ms - e->turns_since_ms > FIGHT_WITHIN_MS) {
        e->turns = 0;
        e->turns_since_ms = now_ms;
    }
    e->turns++;
    if (e->turns >= FIGHT_TURNS && now_ms - e->turns_since_ms >= FIGHT_LASTS_MS)
        e->is_fought_over = true;
}

bool registry_wrote(struct registry *r, struct registry_member *m, int64_t now_ms)
{
    struct shard *s = shard_of(r, &m->key);
    struct entry *e;
    bool is_fought_over;

    pthread_mutex_lock(&s->lock);
    e = find(s, &m->key);
    m->last_write = ++s->writes;
    if (e->active != m) {
        e->active = m;
        note_turn(e, now_ms);
        changed(s);
    }
    is_fought_over = e->is_fought_over;
    pthread_mutex_unlock(&s->lock);
    return is_fought_over;
}

static void note_audience(struct registry *r, const struct node_key *src, handle_t to)
{
    struct shard *s = shard_of(r, src);

    pthread_mutex_lock(&s->lock);
    handle_set_add(&find_or_make(s, src)->audience, to, r->events.alive, r->events.arg);
    pthread_mutex_unlock(&s->lock);
}

struct registry_route registry_route(struct registry *r, const struct node_key *src,
                                     const struct node_key *dst, enum registry_scope scope)
{
    struct shard *s = shard_of(r, dst);
    struct registry_route route = {0};
    const struct entry *e;

    pthread_mutex_lock(&s->lock);
    e = find(s, dst);
    if (e != NULL && e->active != NULL) {
        route.to = e->active->handle;
    } else if (e != NULL && e->forwarder_count > 0 && scope == REGISTRY_REGION) {
        route.to = e->forwarders[0];
        route.is_forward = true;
    }
    route.version = atomic_load_explicit(&s->version, memory_order_relaxed);
    pthread_mutex_unlock(&s->lock);
    if (route.to != 0 && !route.is_forward)
        note_audience(r, src, route.to);
    return route;
}

size_t registry_connections(struct registry *r, const struct node_key *key, handle_t *list,
                            size_t max)
{
    struct shard *s = shard_of(r, key);
    const struct entry *e;
    size_t count;

    pthread_mutex_lock(&s->lock);
    e = find(s, key);
    count = e == NULL ? 0 : e->count;
    for (size_t i = 0; i < count && i < max; i++)
        list[i] = e->members[i]->handle;
    pthread_mutex_unlock(&s->lock);
    return count;
}

uint64_t registry_version(struct registry *r, const struct node_key *dst)
{
    return atomic_load_explicit(&shard_of(r, dst)->version, memory_order_acquire);
}

/* --- Other nodes ---------------------------------------------------------------------------- */

static size_t forwarder_index(const struct entry *e, handle_t link)
{
    size_t i = 0;

    while (i < e->forwarder_count && e->forwarders[i] != link)
        i++;
    return i;
}

void registry_forwarder_add(struct registry *r, const struct node_key *key, handle_t link)
{
    struct shard *s = shard_of(r, key);
    struct entry *e;

    pthread_mutex_lock(&s->lock);
    e = find_or_make(s, key);
    if (forwarder_index(e, link) == e->forwarder_count) {
        s->ghosts -= is_ghost(e);
        e->forwarders = mem_resize(e->forwarders, e->forwarder_count + 1, sizeof *e->forwarders);
        e->forwarders[e->forwarder_count++] = link;
        changed(s);
    }
    pthread_mutex_unlock(&s->lock);
}

void registry_forwarder_remove(struct registry *r, const struct node_key *key, handle_t link,
                               struct handle_set *audience)
{
    struct shard *s = shard_of(r, key);
    struct entry *e;
    size_t at;

    *audience = (struct handle_set){0};
    pthread_mutex_lock(&s->lock);
    e = find(s, key);
    at = e == NULL ? 0 : forwarder_index(e, link);
    if (e != NULL && at < e->forwarder_count) {
        e->forwarder_count--;
        memmove(e->forwarders + at, e->forwarders + at + 1,
                (e->forwarder_count - at) * sizeof *e->forwarders);
        end_if_gone(s, e, audience);
        changed(s);
    }
    pthread_mutex_unlock(&s->lock);
}

void registry_watch(struct registry *r, handle_t watcher,
                    void (*here)(void *arg, const struct registry_member *m), void *arg)
{
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &r->shards[i];
        struct entry *e;

        pthread_mutex_lock(&s->lock);
        for (e = s->entries; e != NULL; e = e->hh.next)
            if (e->active != NULL)
                here(arg, e->active);
        s->watchers = mem_resize(s->watchers, s->watcher_count + 1, sizeof *s->watchers);
        s->watchers[s->watcher_count++] = watcher;
        pthread_mutex_unlock(&s->lock);
    }
}

void registry_unwatch(struct registry *r, handle_t watcher)
{
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &r->shards[i];

        pthread_mutex_lock(&s->lock);
        for (size_t k = 0; k < s->watcher_count; k++)
            if (s->watchers[k] == watcher)
                s->watchers[k--] = s->watchers[--s->watcher_count];
        pthread_mutex_unlock(&s->lock);
    }
}

void registry_count(struct registry *r, struct registry_counts *c)
{
    *c = (struct registry_counts){0};
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &r->shards[i];
        const struct entry *e;

        pthread_mutex_lock(&s->lock);
        for (e = s->entries; e != NULL; e = e->hh.next) {
            c->keys += e->count > 0;
            c->contested += e->count > 1;
            c->remote += e->count == 0 && e->forwarder_count > 0;
        }
        pthread_mutex_unlock(&s->lock);
    }
}
