/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/relay.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "derp/relay/internal.h"
#include "derp/relay/worker.h"

/* --- Admission's answers, on its thread ------------------------------------------------------ */

static void on_answer(void *arg, handle_t who, const struct admission_answer *a)
{
    struct relay *r = arg;
    struct mail_verdict *m = mem_alloc(1, sizeof *m);

    m->mail.kind = MAIL_VERDICT;
    m->mail.to = who;
    m->answer = *a;
    worker_post(&r->workers[handle_worker(who)], &m->mail);
}

static void on_admission_changed(void *arg)
{
    struct relay *r = arg;

    for (unsigned i = 0; i < r->worker_count; i++)
        worker_call(&r->workers[i], worker_recheck, NULL);
}

bool relay_set_admission(struct relay *r, const struct config *c, struct fault *f)
{
    if (!admission_configure(r->admission, c, f))
        return false;
    atomic_store(&r->patrol_ms, (int64_t)c->recheck * 1000);
    for (unsigned i = 0; i < r->worker_count; i++)
        worker_call(&r->workers[i], worker_set_patrol, NULL);
    return true;
}

/* --- Other relays --------------------------------------------------------------------------- */

bool relay_set_mesh(struct relay *r, const struct config *c, struct fault *f)
{
    return mesh_configure(r->mesh, c, f);
}

size_t relay_mesh_status(struct relay *r, struct mesh_status *list, size_t max)
{
    return mesh_status(r->mesh, list, max);
}

/* --- Pages ---------------------------------------------------------------------------------- */

void relay_set_pages(struct relay *r, struct site_home *home, const struct config_names *names)
{
    site_set_home(r->site, home);
    bootstrap_set(r->bootstrap, names);
}

void relay_set_challenges(struct relay *r, const char *folder)
{
    site_set_challenges(r->site, folder);
}

static bool make_pages(struct relay *r, const struct relay_options *opt, struct fault *f)
{
    struct site_home *home = site_home_load(opt->config->home, f);

    if (home == NULL)
        return false;
    r->site = site_new();
    r->bootstrap = bootstrap_new(opt->loop, r->site);
    relay_set_pages(r, home, &opt->config->bootstrap_dns);
    return true;
}

void relay_note_proxied(struct relay *r, const char *sign, const struct endpoint *from)
{
    pthread_mutex_lock(&r->proxied_lock);
    r->proxied = (struct relay_proxied){.sign = sign, .from = *from, .at = clock_wall()};
    pthread_mutex_unlock(&r->proxied_lock);
}

/* --- Life ----------------------------------------------------------------------------------- */

struct relay *relay_new(const struct relay_options *opt, struct fault *f)
{
    struct relay *r = mem_alloc(1, sizeof *r);
    struct admission_events events = {
        .on_answer = on_answer,
        .is_alive = worker_handle_alive,
        .on_changed = on_admission_changed,
        .arg = r,
    };
    struct registry_events registry_calls = {
        .alive = worker_handle_alive, .tell = region_tell, .arg = r};
    bool ok = true;

    pthread_mutex_init(&r->proxied_lock, NULL);
    r->server_key = opt->server_key;
    atomic_init(&r->patrol_ms, (int64_t)opt->config->recheck * 1000);
    r->domain = mem_strdup(opt->domain);
    r->max_connections = opt->max_connections;
    r->ageless = opt->ageless;
    relay_set_proxies(r, &opt->config->proxy_from);
    r->worker_count = opt->workers;
    r->workers = mem_alloc(opt->workers, sizeof *r->workers);
    r->registry = registry_new(&registry_calls);
    r->mesh = mesh_new(r);
    for (unsigned i = 0; ok && i < opt->workers; i++)
        ok = worker_init(&r->workers[i], r, i, opt, f);
    ok = ok && make_pages(r, opt, f);
    if (ok)
        ok = (r->admission = admission_new(opt->config, &events, f)) != NULL;
    for (unsigned i = 0; ok && i < opt->workers; i++) {
        atomic_fetch_add(&r->running, 1);
        ok = worker_start(&r->workers[i], f);
    }
    if (ok)
        return r;
    relay_free(r);
    return NULL;
}

bool relay_set_identity(struct relay *r, const struct identity *id,
                        const struct tls_server_options *opt, struct fault *f)
{
    struct tls_context **made = mem_alloc(r->worker_count, sizeof(struct tls_context *));
    bool ok = true;

    /* All contexts first: either every worker changes over or none does. */
    for (unsigned i = 0; ok && i < r->worker_count; i++) {
        made[i] = tls_context_server(id, opt, f);
        ok = made[i] != NULL;
    }
    for (unsigned i = 0; i < r->worker_count; i++) {
        struct mail_context *m;
        if (!ok) {
            tls_context_free(made[i]);
            continue;
        }
        m = mem_alloc(1, sizeof *m);
        m->mail.kind = MAIL_CONTEXT;
        m->tls = made[i];
        worker_post(&r->workers[i], &m->mail);
    }
    free(made);
    return ok;
}

void relay_set_ready(struct relay *r, bool ready)
{
    atomic_store(&r->ready, ready && !r->is_draining);
}

static uint64_t total(const struct relay *r, size_t offset)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < r->worker_count; i++) {
        const char *w = (const char *)&r->workers[i];
        sum += atomic_load_explicit((const atomic_uint_fast64_t *)(const void *)(w + offset),
                                    memory_order_relaxed);
    }
    return sum;
}

void relay_accept(struct relay *r, int fd, const struct endpoint *peer, enum relay_port port)
{
    static struct log_kind kind;
    struct worker *best = &r->workers[0];
    struct mail_accept *m;

    if (port == RELAY_PORT_PROXY && !proxied_may_connect(r, peer)) {
        close(fd);
        return;
    }
    if (total(r, offsetof(struct worker, connections)) >= r->max_connections) {
        log_limited(&kind, LOG_LEVEL_WARNING, "%zu connections are open: new ones are refused",
                    r->max_connections);
        close(fd);
        return;
    }
    for (unsigned i = 1; i < r->worker_count; i++)
        if (atomic_load(&r->workers[i].connections) < atomic_load(&best->connections))
            best = &r->workers[i];
    atomic_fetch_add(&best->connections, 1);
    m = mem_alloc(1, sizeof *m);
    m->mail.kind = MAIL_ACCEPT;
    m->fd = fd;
    m->port = port;
    m->peer = *peer;
    worker_post(best, &m->mail);
}

void relay_counters(struct relay *r, uint64_t totals[static COUNTERS])
{
    for (int id = 0; id < COUNTERS; id++) {
        totals[id] = atomic_load_explicit(&r->counters.value[id], memory_order_relaxed);
        for (unsigned i = 0; i < r->worker_count; i++)
            totals[id] +=
                atomic_load_explicit(&r->workers[i].counters.value[id], memory_order_relaxed);
    }
}

void relay_gauges(struct relay *r, struct relay_gauges *g)
{
    struct registry_counts n;

    g->connections = total(r, offsetof(struct worker, connections));
    g->clients = total(r, offsetof(struct worker, clients));
    g->home = total(r, offsetof(struct worker, home));
    g->not_ideal = total(r, offsetof(struct worker, not_ideal));
    g->probers = total(r, offsetof(struct worker, probers));
    g->websockets = total(r, offsetof(struct worker, websockets));
    g->queued_bytes = 0;
    for (unsigned i = 0; i < r->worker_count; i++)
        g->queued_bytes += atomic_load(&r->workers[i].mail_bytes);
    registry_count(r->registry, &n);
    g->keys = n.keys;
    g->contested = n.contested;
    g->remote = n.remote;
    g->rechecks = admission_waiting(r->admission);
    pthread_mutex_lock(&r->proxied_lock);
    g->proxied = r->proxied;
    pthread_mutex_unlock(&r->proxied_lock);
}

static void nothing(struct worker *w, void *arg)
{
    (void)w;
    (void)arg;
}

bool relay_is_alive(struct relay *r)
{
    bool alive = true;

    for (unsigned i = 0; i < r->worker_count; i++) {
        struct worker *w = &r->workers[i];
        uint64_t turns = atomic_load(&w->turns);

        if (turns == w->turns_seen && turns != 0)
            alive = false;
        w->turns_seen = turns;
        worker_call(w, nothing, NULL); /* an idle worker turns only when it has something to do */
    }
    return alive;
}

void relay_drain(struct relay *r, int64_t bound_ms, void (*on_done)(void *arg), void *arg)
{
    r->is_draining = true;
    relay_set_ready(r, false);
    r->drain_ms = bound_ms;
    r->on_drained = on_done;
    r->on_drained_arg = arg;
    for (unsigned i = 0; i < r->worker_count; i++)
        worker_call(&r->workers[i], worker_drain, NULL);
}

void relay_free(struct relay *r)
{
    if (r == NULL)
        return;
    for (unsigned i = 0; i < r->worker_count; i++)
        if (r->workers[i].thread_started)
            worker_call(&r->workers[i], worker_stop, NULL);
    for (unsigned i = 0; i < r->worker_count; i++)
        if (r->workers[i].thread_started)
            pthread_join(r->workers[i].thread, NULL);
    admission_free(r->admission);
    mesh_free(r->mesh);
    bootstrap_free(r->bootstrap);
    site_free(r->site);
    for (unsigned i = 0; i < r->worker_count; i++)
        worker_destroy(&r->workers[i]);
    registry_free(r->registry);
    keypair_wipe(&r->server_key);
    pthread_mutex_destroy(&r->proxied_lock);
    free(r->workers);
    free(r->domain);
    free(r);
}
