/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/registry.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Strangers choose their keys: only a keyed hash keeps them from choosing collisions. */
static unsigned char hash_key[crypto_shorthash_KEYBYTES];

static unsigned hash_node_key(const void *key)
{
    uint64_t h;

    crypto_shorthash((unsigned char *)&h, key, KEY_LEN, hash_key);
    return (unsigned)(h ^ h >> 32);
}
#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = hash_node_key(keyptr))
#define uthash_fatal(msg)                    abort()
#include <uthash.h>

#define SHARDS 64

struct entry {
    struct node_key key;
    struct registry_member **members;
    size_t count;
    struct registry_member *active;
    struct handle_set audience; /* who received packets from this key */
    UT_hash_handle hh;
};

struct shard {
    pthread_mutex_t lock;
    atomic_uint_fast64_t version;
    struct entry *entries;
    uint64_t writes; /* orders writers of contested keys */
};

struct registry {
    struct shard shards[SHARDS];
    bool (*alive)(void *arg, handle_t h);
    void *alive_arg;
};

struct registry *registry_new(bool (*alive)(void *arg, handle_t h), void *arg)
{
    struct registry *r = mem_alloc(1, sizeof *r);

    crypto_shorthash_keygen(hash_key);
    r->alive = alive;
    r->alive_arg = arg;
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

static void set_contested(struct entry *e)
{
    for (size_t i = 0; i < e->count; i++)
        atomic_store_explicit(&e->members[i]->contested, e->count > 1, memory_order_relaxed);
}

static void changed(struct shard *s)
{
    atomic_fetch_add_explicit(&s->version, 1, memory_order_release);
}

void registry_add(struct registry *r, struct registry_member *m)
{
    struct shard *s = shard_of(r, &m->key);
    struct entry *e;

    pthread_mutex_lock(&s->lock);
    e = find(s, &m->key);
    if (e == NULL) {
        e = mem_alloc(1, sizeof *e);
        e->key = m->key;
        HASH_ADD(hh, s->entries, key.bytes, KEY_LEN, e);
    }
    e->members = mem_resize(e->members, e->count + 1, sizeof *e->members);
    e->members[e->count++] = m;
    e->active = m;
    m->last_write = ++s->writes;
    set_contested(e);
    changed(s);
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
    if (e->count == 0) {
        *audience = e->audience;
        e->audience = (struct handle_set){0};
        entry_free(s, e);
    } else {
        if (e->active == m)
            e->active = last_writer(e);
        set_contested(e);
    }
    changed(s);
    pthread_mutex_unlock(&s->lock);
}

void registry_wrote(struct registry *r, struct registry_member *m)
{
    struct shard *s = shard_of(r, &m->key);
    struct entry *e;

    pthread_mutex_lock(&s->lock);
    e = find(s, &m->key);
    m->last_write = ++s->writes;
    if (e->active != m) {
        e->active = m;
        changed(s);
    }
    pthread_mutex_unlock(&s->lock);
}

handle_t registry_route(struct registry *r, struct registry_member *from,
                        const struct node_key *dst, uint64_t *version)
{
    struct shard *s = shard_of(r, dst);
    handle_t to = 0;
    struct entry *e;

    pthread_mutex_lock(&s->lock);
    e = find(s, dst);
    if (e != NULL)
        to = e->active->handle;
    *version = atomic_load_explicit(&s->version, memory_order_relaxed);
    pthread_mutex_unlock(&s->lock);
    if (to == 0)
        return 0;

    s = shard_of(r, &from->key);
    pthread_mutex_lock(&s->lock);
    e = find(s, &from->key);
    if (e != NULL)
        handle_set_add(&e->audience, to, r->alive, r->alive_arg);
    pthread_mutex_unlock(&s->lock);
    return to;
}

uint64_t registry_version(struct registry *r, const struct node_key *dst)
{
    return atomic_load_explicit(&shard_of(r, dst)->version, memory_order_acquire);
}

void registry_count(struct registry *r, uint64_t *keys, uint64_t *contested)
{
    *keys = *contested = 0;
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &r->shards[i];
        struct entry *e;

        pthread_mutex_lock(&s->lock);
        *keys += HASH_COUNT(s->entries);
        for (e = s->entries; e != NULL; e = e->hh.next)
            *contested += e->count > 1;
        pthread_mutex_unlock(&s->lock);
    }
}
