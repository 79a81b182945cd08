/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/admission.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "derp/net/web.h"
#include "derp/relay/admission_cache.h"
#include "derp/relay/admission_list.h"
#include "derp/relay/admission_queue.h"

#define TURN_MS     1000  /* key files are looked at this often */
#define LOGINS_WAIT 65536 /* logins that wait; more are answered "unsure" */
#define LOGINS_MAX  64    /* asked about at a time: each takes descriptors and memory */
#define PATROLS_MAX 16    /* of those who are logged in, at a time: logins come first */
#define PAUSE_MS    1000 /* before they are asked about again when a source gave no answer; twice */
#define PAUSE_LONG  30000 /* as long after each time, up to this */
#define CONFIRM_MS  60000 /* between the two refusals of a patrol, or the patrol's own period */
#define ANSWER_MAX  (64 * 1024)

struct lookup;

/* One question to one remote source. */
struct asked {
    struct lookup *lookup;
    const struct admission_source *source;
};

/* A key that is being asked about, for everyone who waits for it. */
struct lookup {
    struct admission *admission;
    struct admission_list *sources;
    unsigned epoch;
    struct node_key key;
    struct endpoint from;
    bool is_login;
    struct admission_question *waiting;
    struct asked asked[CONFIG_MAX_SOURCES];
    unsigned asked_count;
    unsigned open;                  /* answers still to come */
    enum admission_verdict verdict; /* so far */
    char reason[ADMISSION_REASON];
    struct lookup *prev, *next;
};

struct admission {
    struct admission_events events;
    pthread_t thread;
    struct web *web;
    atomic_bool is_open, fail_open;
    atomic_bool is_unreachable; /* the sources, by what the last lookups came to */
    atomic_size_t later_count;  /* later.count, for others */

    pthread_mutex_t lock; /* guards what follows */
    struct admission_queue logins;
    struct admission_queue patrols; /* who is logged in */
    struct admission_list *fresh;   /* to be used from the next turn on */
    char *refused_apps;             /* separated by commas, or NULL */
    bool stop;

    /* admission thread only */
    struct admission_list *sources;
    unsigned epoch; /* of the sources' content: what an older lookup finds does not count */
    struct lookup *lookups;
    unsigned login_lookups, patrol_lookups;
    unsigned patrols_max; /* at a time: less while the sources don't answer */
    int64_t pause_ms, pause_until_ms;
    int64_t confirm_ms;
    struct admission_queue later; /* doubted patrols, to be confirmed */
    struct admission_cache *cache;
};

/* --- What waits ----------------------------------------------------------------------------- */

static struct admission_question *pop_locked(struct admission *a, struct admission_queue *q)
{
    struct admission_question *one;

    pthread_mutex_lock(&a->lock);
    one = admission_queue_pop(q);
    pthread_mutex_unlock(&a->lock);
    return one;
}

static void push_locked(struct admission *a, struct admission_queue *q,
                        struct admission_question *one)
{
    pthread_mutex_lock(&a->lock);
    admission_queue_push(q, one);
    pthread_mutex_unlock(&a->lock);
}

/* While sources are down, questions wait; those of connections that have ended must not pile up. */
static void forget_the_dead(struct admission *a)
{
    struct admission_queue patrols;

    pthread_mutex_lock(&a->lock);
    patrols = a->patrols;
    a->patrols = (struct admission_queue){0};
    pthread_mutex_unlock(&a->lock);
    admission_queue_prune(&patrols, a->events.is_alive, a->events.arg);
    pthread_mutex_lock(&a->lock);
    admission_queue_append(&patrols, &a->patrols);
    a->patrols = patrols;
    pthread_mutex_unlock(&a->lock);
}

/* --- Answers -------------------------------------------------------------------------------- */

static void tell(struct admission *a, struct admission_question *q, enum admission_verdict v,
                 const char *reason, bool fail_open)
{
    struct admission_answer answer = {.why = q->why,
                                      .verdict = v,
                                      .is_admitted = v == ADMISSION_ADMIT ||
                                                     (v == ADMISSION_UNSURE && fail_open)};

    snprintf(answer.reason, sizeof answer.reason, "%s", reason);
    a->events.on_answer(a->events.arg, q->who, &answer);
    free(q);
}

/* More ask than can be asked about. That is no reason to let in who would be refused: strangers
 * could bring it about. Only where nobody can be asked anyway fail-open counts. */
static void tell_too_many(struct admission *a, struct admission_question *q)
{
    tell(a, q, ADMISSION_UNSURE, "too many ask",
         atomic_load(&a->fail_open) && atomic_load(&a->is_unreachable));
}

/* No answer for somebody who is logged in: later, and not all at once. Another one is tried first
 * then, in case that it was about this one. */
static void postpone(struct admission *a, struct admission_question *q)
{
    int64_t now = clock_mono_ms();

    push_locked(a, &a->patrols, q);
    a->patrols_max = 1;
    if (now < a->pause_until_ms)
        return;
    a->pause_until_ms = now + a->pause_ms;
    a->pause_ms = 2 * a->pause_ms < PAUSE_LONG ? 2 * a->pause_ms : PAUSE_LONG;
    forget_the_dead(a);
}

static void answer_one(struct admission *a, struct admission_question *q, enum admission_verdict v,
                       const char *reason, bool fail_open)
{
    if (q->why == ADMISSION_LOGIN) {
        tell(a, q, v, reason, fail_open);
        return;
    }
    if (v == ADMISSION_UNSURE || v == ADMISSION_BAD_ANSWER) {
        postpone(a, q);
        return;
    }
    a->pause_ms = PAUSE_MS;
    a->patrols_max = 2 * a->patrols_max < PATROLS_MAX ? 2 * a->patrols_max : PATROLS_MAX;
    if (v == ADMISSION_REFUSE && q->why == ADMISSION_PATROL && !q->is_doubted) {
        q->is_doubted = true;
        q->asked_ms = clock_mono_ms() + a->confirm_ms;
        admission_queue_push(&a->later, q);
        atomic_store(&a->later_count, a->later.count);
        return;
    }
    tell(a, q, v, reason, fail_open);
}

/* Tells everyone who waits, as soon as one source admits or all have answered. */
static void settle(struct lookup *l)
{
    struct admission *a = l->admission;
    struct admission_question *waiting = l->waiting, *q, *next;

    if (l->open > 0 && l->verdict != ADMISSION_ADMIT)
        return;
    if (l->verdict != ADMISSION_ADMIT) /* of which one source is enough */
        atomic_store(&a->is_unreachable, l->verdict == ADMISSION_UNSURE);
    if (waiting != NULL && l->epoch == a->epoch)
        admission_cache_put(a->cache, &l->key, &l->from, l->verdict, l->reason, clock_mono_ms());
    l->waiting = NULL;
    LL_FOREACH_SAFE(waiting, q, next)
    answer_one(a, q, l->verdict, l->reason, l->sources->fail_open);
    if (l->open > 0)
        return; /* slower sources still hold it */
    DL_DELETE(a->lookups, l);
    *(l->is_login ? &a->login_lookups : &a->patrol_lookups) -= 1;
    admission_list_unref(l->sources);
    free(l);
}

/* --- Lookups -------------------------------------------------------------------------------- */

static void combine(struct lookup *l, enum admission_verdict v, const char *reason)
{
    if (l->verdict == ADMISSION_ADMIT || v < l->verdict)
        return;
    l->verdict = v;
    snprintf(l->reason, sizeof l->reason, "%s", reason);
}

static void on_web_answer(void *arg, const struct web_answer *answer)
{
    static struct log_kind kind;
    struct asked *asked = arg;
    struct lookup *l = asked->lookup;
    const struct admission_source *s = asked->source;
    char reason[ADMISSION_REASON];
    enum admission_verdict v = s->kind == CONFIG_ALLOW_TAILSCALED
                                   ? admission_read_whois(answer->status, answer->body, answer->n)
                                   : admission_read_allow(answer->status, answer->body, answer->n);

    if (v == ADMISSION_UNSURE)
        snprintf(reason, sizeof reason, "%s cannot be asked: %s", s->where, answer->reason);
    else if (v == ADMISSION_BAD_ANSWER)
        snprintf(reason, sizeof reason, "%s says neither yes nor no (HTTP status %d)", s->where,
                 answer->status);
    else
        snprintf(reason, sizeof reason, "%s %s", s->where,
                 v == ADMISSION_ADMIT ? "admits" : "does not admit");
    if (v == ADMISSION_UNSURE || v == ADMISSION_BAD_ANSWER)
        log_limited(&kind, LOG_LEVEL_WARNING, "admission: %s", reason);
    combine(l, v, reason);
    l->open--;
}

static void ask_remote(struct lookup *l, const struct admission_source *s)
{
    char ip[ENDPOINT_TEXT];
    struct web_request r = {.timeout_ms = ADMISSION_TIMEOUT_MS, .max_body = ANSWER_MAX};
    struct asked *asked = &l->asked[l->asked_count++];
    char *url = NULL, *body = NULL;

    asked->lookup = l;
    asked->source = s;
    if (s->kind == CONFIG_ALLOW_TAILSCALED) {
        r.url = url = admission_whois_url(&l->key);
        r.unix_socket = s->where;
    } else {
        r.url = s->where;
        r.post = body = admission_url_body(&l->key, endpoint_print_ip(&l->from, ip));
    }
    l->open++;
    web_ask(l->admission->web, &r, on_web_answer, asked);
    free(url);
    free(body);
}

static void ask_sources(struct lookup *l)
{
    const char *file = admission_list_find(l->sources, &l->key);
    char reason[ADMISSION_REASON];

    if (file != NULL) {
        snprintf(reason, sizeof reason, "%s has it", file);
        combine(l, ADMISSION_ADMIT, reason);
        return;
    }
    for (size_t i = 0; i < l->sources->count; i++) {
        const struct admission_source *s = &l->sources->list[i];
        if (s->kind == CONFIG_ALLOW_TAILSCALED || s->kind == CONFIG_ALLOW_URL)
            ask_remote(l, s);
    }
}

static struct lookup *lookup_new(struct admission *a, const struct admission_question *q)
{
    struct lookup *l = mem_alloc(1, sizeof *l);

    l->admission = a;
    l->sources = a->sources;
    l->sources->refs++;
    l->epoch = a->epoch;
    l->key = q->key;
    l->from = q->from;
    l->is_login = q->why == ADMISSION_LOGIN;
    l->verdict = ADMISSION_REFUSE;
    snprintf(l->reason, sizeof l->reason, "no list has it");
    DL_APPEND(a->lookups, l);
    *(l->is_login ? &a->login_lookups : &a->patrol_lookups) += 1;
    return l;
}

static bool joins(const struct lookup *l, const struct admission *a,
                  const struct admission_question *q)
{
    return l->epoch == a->epoch && node_key_equal(&l->key, &q->key) &&
           endpoint_same_ip(&l->from, &q->from);
}

static void take_question(struct admission *a, struct admission_question *q)
{
    const struct admission_cached *c = NULL;
    struct lookup *l;

    if (q->why == ADMISSION_LOGIN)
        c = admission_cache_find(a->cache, &q->key, &q->from, clock_mono_ms());
    if (c != NULL || admission_list_is_open(a->sources)) {
        answer_one(a, q, c != NULL ? c->verdict : ADMISSION_ADMIT, c != NULL ? c->reason : "anyone",
                   false);
        return;
    }
    DL_FOREACH(a->lookups, l)
    if (joins(l, a, q))
        break;
    if (l == NULL) {
        l = lookup_new(a, q);
        ask_sources(l);
    }
    LL_PREPEND(l->waiting, q);
    settle(l); /* key files, or the faster of two sources, have answered already */
}

/* --- Thread --------------------------------------------------------------------------------- */

/* As many as may be asked at a time; the rest wait, no longer than their client does. */
static void take_logins(struct admission *a)
{
    struct admission_question *q;

    while (a->login_lookups < LOGINS_MAX && (q = pop_locked(a, &a->logins)) != NULL) {
        if (!a->events.is_alive(a->events.arg, q->who))
            free(q);
        else if (clock_mono_ms() - q->asked_ms <= ADMISSION_TIMEOUT_MS)
            take_question(a, q);
        else
            tell_too_many(a, q);
    }
}

static void take_patrols(struct admission *a)
{
    struct admission_question *q;

    while (a->later.head != NULL && a->later.head->asked_ms <= clock_mono_ms())
        push_locked(a, &a->patrols, admission_queue_pop(&a->later));
    atomic_store(&a->later_count, a->later.count);
    while (a->patrol_lookups < a->patrols_max && clock_mono_ms() >= a->pause_until_ms &&
           (q = pop_locked(a, &a->patrols)) != NULL) {
        if (a->events.is_alive(a->events.arg, q->who))
            take_question(a, q);
        else
            free(q);
    }
}

static int64_t confirm_ms(const struct admission_list *l)
{
    return l->patrol_ms < CONFIRM_MS ? l->patrol_ms : CONFIRM_MS;
}

/* The sources say something else now. What lookups still find out must not count: who waits for
 * them asks again. */
static void sources_changed(struct admission *a)
{
    struct admission_question *waiting = NULL, *q, *next;
    struct lookup *l;

    a->epoch++;
    a->pause_until_ms = 0;
    a->pause_ms = PAUSE_MS;
    a->patrols_max = PATROLS_MAX;
    admission_cache_clear(a->cache);
    a->events.on_changed(a->events.arg);
    DL_FOREACH(a->lookups, l)
    {
        LL_CONCAT(waiting, l->waiting);
        l->waiting = NULL;
    }
    LL_FOREACH_SAFE(waiting, q, next)
    {
        if (q->why == ADMISSION_LOGIN)
            take_question(a, q);
        else
            push_locked(a, &a->patrols, q);
    }
}

static bool take_news(struct admission *a)
{
    struct admission_list *fresh;
    bool stop;

    pthread_mutex_lock(&a->lock);
    fresh = a->fresh;
    a->fresh = NULL;
    stop = a->stop;
    pthread_mutex_unlock(&a->lock);
    if (stop) {
        admission_list_unref(fresh);
        return false;
    }
    if (fresh != NULL) {
        admission_list_unref(a->sources);
        a->sources = fresh;
        a->confirm_ms = confirm_ms(fresh);
        sources_changed(a);
    }
    take_logins(a);
    take_patrols(a);
    return true;
}

static void settle_all(struct admission *a)
{
    struct lookup *l, *next;

    DL_FOREACH_SAFE(a->lookups, l, next)
    settle(l);
}

/* Until something may be asked again, TURN_MS at most. */
static int turn_ms(const struct admission *a)
{
    int64_t now = clock_mono_ms(), next = now + TURN_MS;

    if (a->later.head != NULL && a->later.head->asked_ms < next)
        next = a->later.head->asked_ms;
    if (a->pause_until_ms > now && a->pause_until_ms < next)
        next = a->pause_until_ms;
    return next > now ? (int)(next - now) : 0;
}

static void *run_admission(void *arg)
{
    struct admission *a = arg;
    int64_t next_look = 0;

    while (take_news(a)) {
        if (clock_mono_ms() >= next_look) {
            if (admission_list_follow(a->sources))
                sources_changed(a);
            next_look = clock_mono_ms() + TURN_MS;
        }
        web_turn(a->web, turn_ms(a));
        settle_all(a);
    }
    return NULL;
}

/* --- From other threads --------------------------------------------------------------------- */

bool admission_check(const struct config *c, struct fault *f)
{
    struct admission_list *s = admission_list_new(c, f);

    admission_list_unref(s);
    return s != NULL;
}

struct admission *admission_new(const struct config *c, const struct admission_events *events,
                                struct fault *f)
{
    struct admission_list *s = admission_list_new(c, f);
    struct admission *a;

    if (s == NULL)
        return NULL;
    a = mem_alloc(1, sizeof *a);
    a->events = *events;
    a->sources = s;
    a->confirm_ms = confirm_ms(s);
    a->refused_apps = mem_strdup(c->refuse_apps);
    a->pause_ms = PAUSE_MS;
    a->patrols_max = PATROLS_MAX;
    a->cache = admission_cache_new();
    a->web = web_new();
    atomic_init(&a->is_open, admission_list_is_open(s));
    atomic_init(&a->fail_open, s->fail_open);
    pthread_mutex_init(&a->lock, NULL);
    if (pthread_create(&a->thread, NULL, run_admission, a) != 0)
        abort();
    pthread_setname_np(a->thread, "derpd-admission");
    return a;
}

bool admission_configure(struct admission *a, const struct config *c, struct fault *f)
{
    struct admission_list *s = admission_list_new(c, f);
    char *apps;

    if (s == NULL)
        return false;
    apps = mem_strdup(c->refuse_apps);
    /* First: whoever is let in by the old value is seen by the recheck that follows. */
    atomic_store(&a->is_open, admission_list_is_open(s));
    atomic_store(&a->fail_open, s->fail_open);
    pthread_mutex_lock(&a->lock);
    admission_list_unref(a->fresh);
    a->fresh = s;
    free(a->refused_apps);
    a->refused_apps = apps;
    pthread_mutex_unlock(&a->lock);
    web_wake(a->web);
    return true;
}

bool admission_is_open(struct admission *a)
{
    return atomic_load_explicit(&a->is_open, memory_order_relaxed);
}

bool admission_refuses_app(struct admission *a, const char *name)
{
    bool refused = false;

    if (name[0] == '\0')
        return false;
    pthread_mutex_lock(&a->lock);
    if (a->refused_apps != NULL)
        refused = admission_has_app(a->refused_apps, name);
    pthread_mutex_unlock(&a->lock);
    return refused;
}

void admission_ask(struct admission *a, handle_t who, const struct node_key *key,
                   const struct endpoint *from, enum admission_why why)
{
    struct admission_question *q = mem_alloc(1, sizeof *q);
    bool full;

    q->who = who;
    q->key = *key;
    q->from = *from;
    q->why = why;
    q->asked_ms = clock_mono_ms();
    pthread_mutex_lock(&a->lock);
    full = why == ADMISSION_LOGIN && a->logins.count >= LOGINS_WAIT;
    if (!full)
        admission_queue_push(why == ADMISSION_LOGIN ? &a->logins : &a->patrols, q);
    pthread_mutex_unlock(&a->lock);
    if (full)
        tell_too_many(a, q);
    web_wake(a->web);
}

size_t admission_waiting(struct admission *a)
{
    size_t n;

    pthread_mutex_lock(&a->lock);
    n = a->patrols.count;
    pthread_mutex_unlock(&a->lock);
    return n + atomic_load(&a->later_count);
}

void admission_free(struct admission *a)
{
    struct lookup *l, *next;
    struct admission_question *q, *next_q;

    if (a == NULL)
        return;
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_mutex_unlock(&a->lock);
    web_wake(a->web);
    pthread_join(a->thread, NULL);
    web_free(a->web);
    DL_FOREACH_SAFE(a->lookups, l, next)
    {
        LL_FOREACH_SAFE(l->waiting, q, next_q)
        free(q);
        admission_list_unref(l->sources);
        free(l);
    }
    admission_queue_clear(&a->logins);
    admission_queue_clear(&a->patrols);
    admission_queue_clear(&a->later);
    admission_list_unref(a->sources);
    admission_list_unref(a->fresh);
    pthread_mutex_destroy(&a->lock);
    free(a->refused_apps);
    admission_cache_free(a->cache);
    free(a);
}
