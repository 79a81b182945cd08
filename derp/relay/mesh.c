/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/mesh.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "derp/relay/mesh_link.h"

#define KEY_FILE_MAX 4096

struct mesh {
    struct relay *relay;
    struct names *names; /* from the first link on */
    struct mesh_node *nodes[CONFIG_MAX_MESH];
    size_t count;
    char *ca_file;

    pthread_mutex_t lock; /* guards what logins ask for */
    bool has_key;
    uint8_t key[KEY_LEN];
};

const char *mesh_state_name(enum mesh_state s)
{
    return s == MESH_UP ? "up" : s == MESH_SELF ? "self" : "connecting";
}

/* --- The key -------------------------------------------------------------------------------- */

static bool read_key(const char *path, uint8_t key[static KEY_LEN], struct fault *f)
{
    struct fault inner;
    struct buf text;
    bool ok;

    buf_init(&text, KEY_FILE_MAX);
    ok = file_read(path, &text, f);
    if (ok && !mesh_key_parse((const char *)text.data, text.len, key, &inner))
        ok = fault_set(f, "%s: %s", path, inner.text);
    buf_wipe(&text);
    return ok;
}

bool mesh_admits(struct mesh *m, const struct client_info *info)
{
    bool same;

    if (!info->has_mesh_key)
        return false;
    pthread_mutex_lock(&m->lock);
    same = m->has_key && sodium_memcmp(m->key, info->mesh_key, KEY_LEN) == 0;
    pthread_mutex_unlock(&m->lock);
    return same;
}

struct names *mesh_names(struct mesh *m)
{
    return m->names;
}

/* --- Nodes ---------------------------------------------------------------------------------- */

static struct mesh_node *node_new(struct relay *r, const struct config_mesh_node *c,
                                  const uint8_t key[static KEY_LEN])
{
    struct mesh_node *n = mem_alloc(1, sizeof *n);

    n->relay = r;
    n->host = mem_strdup(c->host);
    n->dial = mem_strdup(c->dial);
    n->port = c->port;
    memcpy(n->mesh_key, key, KEY_LEN);
    pthread_mutex_init(&n->lock, NULL);
    n->refs = 1;
    n->status.since = clock_wall();
    snprintf(n->status.node, sizeof n->status.node, strchr(c->host, ':') ? "[%s]:%u" : "%s:%u",
             c->host, c->port);
    return n;
}

static bool node_is(const struct mesh_node *n, const struct config_mesh_node *c)
{
    return text_same(n->host, c->host) && text_same(n->dial, c->dial) && n->port == c->port;
}

static void post(struct mesh *m, struct mesh_node *n, struct tls_context *tls)
{
    struct mail_link *mail = mem_alloc(1, sizeof *mail);

    mail->mail.kind = MAIL_LINK;
    mail->node = n;
    mail->tls = tls;
    worker_post(&m->relay->workers[n->worker], &mail->mail);
}

static void start_link(struct mesh *m, struct mesh_node *n, struct tls_context *tls)
{
    if (m->names == NULL)
        m->names = names_new();
    n->refs++; /* no other thread knows it yet */
    post(m, n, tls);
}

/* The list's reference goes along. */
static void stop_link(struct mesh *m, struct mesh_node *n)
{
    post(m, n, NULL);
}

/* --- The config ----------------------------------------------------------------------------- */

/* Who logged in with a key that is no longer the region's has no more rights. Other relays come
 * back within a second, with the new one. */
static void close_peers(struct worker *w, void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < w->slots_made; i++) {
        struct session *s = worker_session_at(w, i);

        if (s != NULL && s->is_mesh)
            session_close(s, CONN_END_LOCAL, "the mesh key has changed");
    }
}

/* What a config asks for, read before anything is changed. */
struct wanted {
    bool has_key;
    uint8_t key[KEY_LEN];
    struct tls_context *tls[CONFIG_MAX_MESH];
    size_t count;
};

static void wanted_free(struct wanted *w)
{
    for (size_t i = 0; i < w->count; i++)
        tls_context_free(w->tls[i]);
    mem_wipe(w, sizeof *w);
}

static bool read_wanted(const struct config *c, struct wanted *w, struct fault *f)
{
    *w = (struct wanted){.has_key = c->mesh_key_file != NULL};
    if (w->has_key && !read_key(c->mesh_key_file, w->key, f))
        return false;
    for (; w->count < c->mesh_count; w->count++) {
        w->tls[w->count] = tls_context_client(c->mesh_ca_file, TLS_VERIFY_REQUIRE, f);
        if (w->tls[w->count] == NULL) {
            wanted_free(w);
            return false;
        }
    }
    return true;
}

bool mesh_check(const struct config *c, struct fault *f)
{
    struct wanted w;
    bool ok = read_wanted(c, &w, f);

    if (ok)
        wanted_free(&w);
    return ok;
}

/* Takes a node that stays out of the old list. */
static struct mesh_node *take_old(struct mesh_node **old, size_t count,
                                  const struct config_mesh_node *c)
{
    for (size_t i = 0; i < count; i++) {
        struct mesh_node *n = old[i];

        if (n == NULL || !node_is(n, c))
            continue;
        old[i] = NULL;
        return n;
    }
    return NULL;
}

bool mesh_configure(struct mesh *m, const struct config *c, struct fault *f)
{
    struct mesh_node *old[CONFIG_MAX_MESH];
    size_t old_count = m->count;
    struct wanted w;
    bool same_key, stays;

    if (!read_wanted(c, &w, f))
        return false;
    same_key = w.has_key == m->has_key && sodium_memcmp(w.key, m->key, KEY_LEN) == 0;
    stays = same_key && text_same(m->ca_file, c->mesh_ca_file);
    pthread_mutex_lock(&m->lock);
    m->has_key = w.has_key;
    memcpy(m->key, w.key, KEY_LEN);
    pthread_mutex_unlock(&m->lock);
    for (unsigned i = 0; !same_key && i < m->relay->worker_count; i++)
        worker_call(&m->relay->workers[i], close_peers, NULL);
    free(m->ca_file);
    m->ca_file = mem_strdup(c->mesh_ca_file);
    memcpy(old, m->nodes, sizeof old);
    for (m->count = 0; m->count < c->mesh_count; m->count++) {
        size_t i = m->count;

        m->nodes[i] = stays ? take_old(old, old_count, &c->mesh_with[i]) : NULL;
        if (m->nodes[i] != NULL)
            continue;
        m->nodes[i] = node_new(m->relay, &c->mesh_with[i], w.key);
        m->nodes[i]->worker = (unsigned)i % m->relay->worker_count;
        start_link(m, m->nodes[i], w.tls[i]);
        w.tls[i] = NULL;
    }
    for (size_t i = 0; i < old_count; i++)
        if (old[i] != NULL)
            stop_link(m, old[i]);
    wanted_free(&w);
    return true;
}

/* --- Life ----------------------------------------------------------------------------------- */

struct mesh *mesh_new(struct relay *r)
{
    struct mesh *m = mem_alloc(1, sizeof *m);

    m->relay = r;
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

size_t mesh_status(struct mesh *m, struct mesh_status *list, size_t max)
{
    for (size_t i = 0; i < m->count && i < max; i++) {
        struct mesh_node *n = m->nodes[i];

        pthread_mutex_lock(&n->lock);
        list[i] = n->status;
        pthread_mutex_unlock(&n->lock);
    }
    return m->count;
}

void mesh_free(struct mesh *m)
{
    if (m == NULL)
        return;
    names_free(m->names);
    for (size_t i = 0; i < m->count; i++)
        mesh_node_unref(m->nodes[i]);
    pthread_mutex_destroy(&m->lock);
    mem_wipe(m->key, sizeof m->key);
    free(m->ca_file);
    free(m);
}
