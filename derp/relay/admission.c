/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/admission.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "derp/net/web.h"

#define TURN_MS      1000 /* key files are looked at this often */
#define CACHE_MAX    2048
#define ADMIT_MS     30000 /* how long an answer is believed */
#define REFUSE_MS    3000
#define QUEUE_MAX    65536 /* questions that wait; more are answered "unsure" */
#define LOOKUPS_MAX  64    /* keys asked about at a time: each takes descriptors and memory */
#define ANSWER_MAX   (64 * 1024)
#define KEY_FILE_MAX (16 * 1024 * 1024)
#define REASON_MAX   120

struct question {
    handle_t who;
    struct node_key key;
    struct endpoint from;
    bool is_recheck;
    int64_t asked_ms;
    struct question *next;
};

struct source {
    enum config_allow kind;
    char *where;
    struct admission_keys keys; /* of a key file */
    struct stat seen;
};

/* One set of sources; replaced as a whole. */
struct sources {
    struct source list[CONFIG_MAX_SOURCES];
    size_t count;
    bool fail_open;
    unsigned refs; /* admission and each lookup; admission thread only, but for the first */
};

struct lookup;

/* One question to one remote source. */
struct asked {
    struct lookup *lookup;
    const struct source *source;
};

/* A key that is being asked about, for everyone who waits for it. */
struct lookup {
    struct admission *admission;
    struct sources *sources;
    struct node_key key;
    struct endpoint from;
    bool is_recheck;
    struct question *waiting;
    struct asked asked[CONFIG_MAX_SOURCES];
    unsigned asked_count;
    unsigned open;                  /* answers still to come */
    enum admission_verdict verdict; /* so far */
    char reason[REASON_MAX];
    struct lookup *prev, *next;
};

struct cached {
    struct node_key key;
    struct endpoint from;
    enum admission_verdict verdict;
    int64_t until_ms;
    char reason[REASON_MAX];
};

struct admission {
    struct admission_events events;
    pthread_t thread;
    struct web *web;
    atomic_bool is_open;

    pthread_mutex_t lock;       /* guards what follows */
    struct question *questions; /* oldest first */
    struct question *last_question;
    size_t question_count;
    struct sources *fresh; /* to be used from the next turn on */
    bool stop;

    /* admission thread only */
    struct sources *sources;
    struct lookup *lookups;
    unsigned lookup_count;
    struct cached *cache; /* by a hash of the key: newer answers push out older ones */
};

/* --- Sources -------------------------------------------------------------------------------- */

static void sources_unref(struct sources *s)
{
    if (s == NULL || --s->refs > 0)
        return;
    for (size_t i = 0; i < s->count; i++) {
        free(s->list[i].where);
        admission_keys_free(&s->list[i].keys);
    }
    free(s);
}

static bool read_keys(struct source *s, struct fault *f)
{
    struct admission_keys keys;
    struct fault inner;
    struct buf text;
    bool ok;

    if (stat(s->where, &s->seen) != 0)
        memset(&s->seen, 0, sizeof s->seen);
    buf_init(&text, KEY_FILE_MAX);
    ok = file_read(s->where, &text, f);
    if (ok && !admission_keys_parse(buf_text(&text), text.len, &keys, &inner))
        ok = fault_set(f, "%s: %s", s->where, inner.text);
    buf_free(&text);
    if (!ok)
        return false;
    admission_keys_free(&s->keys);
    s->keys = keys;
    return true;
}

static struct sources *sources_new(const struct config *c, struct fault *f)
{
    struct sources *s = mem_alloc(1, sizeof *s);

    s->refs = 1;
    s->fail_open = c->fail_open;
    for (size_t i = 0; i < c->allow_count; i++) {
        struct source *one = &s->list[s->count++];
        one->kind = c->allow[i].kind;
        one->where = mem_strdup(c->allow[i].where);
        if (one->kind == CONFIG_ALLOW_KEYS && !read_keys(one, f)) {
            sources_unref(s);
            return NULL;
        }
    }
    return s;
}

bool admission_check(const struct config *c, struct fault *f)
{
    struct sources *s = sources_new(c, f);

    sources_unref(s);
    return s != NULL;
}

static bool sources_open(const struct sources *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].kind == CONFIG_ALLOW_ANYONE)
            return true;
    return s->count == 0;
}

static bool file_changed(const struct source *s)
{
    struct stat st;

    if (stat(s->where, &st) != 0)
        memset(&st, 0, sizeof st);
    return st.st_ino != s->seen.st_ino || st.st_size != s->seen.st_size ||
           st.st_ctim.tv_sec != s->seen.st_ctim.tv_sec ||
           st.st_ctim.tv_nsec != s->seen.st_ctim.tv_nsec;
}

static void forget_answers(struct admission *a)
{
    memset(a->cache, 0, CACHE_MAX * sizeof *a->cache);
}

/* Key files are followed; one that cannot be read any more keeps its last good content. */
static void look_at_files(struct admission *a)
{
    bool changed = false;

    for (size_t i = 0; i < a->sources->count; i++) {
        struct source *s = &a->sources->list[i];
        struct fault f;

        if (s->kind != CONFIG_ALLOW_KEYS || !file_changed(s))
            continue;
        if (read_keys(s, &f)) {
            log_info("%s: %zu keys may use the relay", s->where, s->keys.count);
            changed = true;
        } else {
            log_error("key file refused, the old list stays: %s", f.text);
        }
    }
    if (!changed)
        return;
    forget_answers(a);
    a->events.on_changed(a->events.arg);
}

/* --- Cache ---------------------------------------------------------------------------------- */

static struct cached *cache_place(struct admission *a, const struct node_key *key)
{
    uint32_t h;

    memcpy(&h, key->bytes + 8, sizeof h);
    return &a->cache[h % CACHE_MAX];
}

static const struct cached *cache_find(struct admission *a, const struct question *q)
{
    const struct cached *c = cache_place(a, &q->key);

    if (c->until_ms > clock_mono_ms() && node_key_equal(&c->key, &q->key) &&
        endpoint_same_ip(&c->from, &q->from))
        return c;
    return NULL;
}

static void cache_put(struct admission *a, const struct lookup *l)
{
    struct cached *c = cache_place(a, &l->key);

    if (l->verdict == ADMISSION_UNSURE || l->sources != a->sources)
        return;
    c->key = l->key;
    c->from = l->from;
    c->verdict = l->verdict;
    c->until_ms = clock_mono_ms() + (l->verdict == ADMISSION_ADMIT ? ADMIT_MS : REFUSE_MS);
    memcpy(c->reason, l->reason, sizeof c->reason);
}

/* --- Lookups -------------------------------------------------------------------------------- */

static void tell(struct admission *a, const struct question *q, enum admission_verdict v,
                 const char *reason)
{
    a->events.on_verdict(a->events.arg, q->who, q->is_recheck, v, reason);
}

/* Tells everyone who waits, as soon as one source admits or all have answered. */
static void settle(struct lookup *l)
{
    struct admission *a = l->admission;
    struct question *q, *next;
    bool admits = l->verdict == ADMISSION_ADMIT;

    if (l->open > 0 && !admits)
        return;
    if (l->waiting != NULL)
        cache_put(a, l);
    LL_FOREACH_SAFE(l->waiting, q, next)
    {
        tell(a, q,
             l->verdict == ADMISSION_UNSURE && l->sources->fail_open ? ADMISSION_ADMIT : l->verdict,
             l->reason);
        free(q);
    }
    l->waiting = NULL;
    if (l->open > 0)
        return; /* slower sources still hold it */
    DL_DELETE(a->lookups, l);
    a->lookup_count--;
    sources_unref(l->sources);
    free(l);
}

/* One admits; then "unsure" outweighs "refuse", so that fail-open covers what was not asked. */
static void combine(struct lookup *l, enum admission_verdict v, const char *reason)
{
    if (l->verdict == ADMISSION_ADMIT || (l->verdict == ADMISSION_UNSURE && v == ADMISSION_REFUSE))
        return;
    l->verdict = v;
    snprintf(l->reason, sizeof l->reason, "%s", reason);
}

static void on_answer(void *arg, const struct web_answer *answer)
{
    static struct log_kind kind;
    struct asked *asked = arg;
    struct lookup *l = asked->lookup;
    const struct source *s = asked->source;
    char reason[REASON_MAX];
    enum admission_verdict v = s->kind == CONFIG_ALLOW_TAILSCALED
                                   ? admission_read_whois(answer->status, answer->body, answer->n)
                                   : admission_read_allow(answer->status, answer->body, answer->n);

    if (v == ADMISSION_UNSURE) {
        snprintf(reason, sizeof reason, "%s cannot be asked: %s", s->where, answer->reason);
        log_limited(&kind, LOG_LEVEL_WARNING, "admission: %s", reason);
    } else {
        snprintf(reason, sizeof reason, "%s %s (HTTP status %d)", s->where,
                 v == ADMISSION_ADMIT ? "admits" : "does not admit", answer->status);
    }
    combine(l, v, reason);
    l->open--;
}

static void ask_remote(struct lookup *l, const struct source *s)
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
    web_ask(l->admission->web, &r, on_answer, asked);
    free(url);
    free(body);
}

static void ask_sources(struct lookup *l)
{
    char reason[REASON_MAX];

    for (size_t i = 0; i < l->sources->count && l->verdict != ADMISSION_ADMIT; i++) {
        const struct source *s = &l->sources->list[i];
        if (s->kind != CONFIG_ALLOW_KEYS)
            continue;
        snprintf(reason, sizeof reason, "%s has it", s->where);
        if (admission_keys_have(&s->keys, &l->key))
            combine(l, ADMISSION_ADMIT, reason);
    }
    for (size_t i = 0; i < l->sources->count && l->verdict != ADMISSION_ADMIT; i++) {
        const struct source *s = &l->sources->list[i];
        if (s->kind == CONFIG_ALLOW_TAILSCALED || s->kind == CONFIG_ALLOW_URL)
            ask_remote(l, s);
    }
}

static bool joins(const struct lookup *l, const struct admission *a, const struct question *q)
{
    return l->sources == a->sources && l->is_recheck == q->is_recheck &&
           node_key_equal(&l->key, &q->key) && endpoint_same_ip(&l->from, &q->from);
}

static void take_question(struct admission *a, struct question *q)
{
    const struct cached *c = q->is_recheck ? NULL : cache_find(a, q);
    struct lookup *l;

    if (c != NULL || sources_open(a->sources)) {
        tell(a, q, c != NULL ? c->verdict : ADMISSION_ADMIT, c != NULL ? c->reason : "anyone");
        free(q);
        return;
    }
    DL_FOREACH(a->lookups, l)
    {
        if (joins(l, a, q)) {
            LL_PREPEND(l->waiting, q);
            settle(l); /* one source may have admitted while a slower one is still asked */
            return;
        }
    }
    l = mem_alloc(1, sizeof *l);
    l->admission = a;
    l->sources = a->sources;
    l->sources->refs++;
    l->key = q->key;
    l->from = q->from;
    l->is_recheck = q->is_recheck;
    l->verdict = ADMISSION_REFUSE;
    snprintf(l->reason, sizeof l->reason, "no list has it");
    q->next = NULL;
    l->waiting = q;
    DL_APPEND(a->lookups, l);
    a->lookup_count++;
    ask_sources(l);
    settle(l); /* key files have answered already */
}

/* --- Thread --------------------------------------------------------------------------------- */

static struct question *next_question(struct admission *a)
{
    struct question *q;

    pthread_mutex_lock(&a->lock);
    q = a->questions;
    if (q != NULL) {
        a->questions = q->next;
        a->question_count--;
    }
    pthread_mutex_unlock(&a->lock);
    return q;
}

/* As many as may be asked at a time; the rest wait, logins no longer than their client does. */
static void take_questions(struct admission *a)
{
    struct question *q;

    while (a->lookup_count < LOOKUPS_MAX && (q = next_question(a)) != NULL) {
        if (q->is_recheck || clock_mono_ms() - q->asked_ms <= ADMISSION_TIMEOUT_MS) {
            take_question(a, q);
            continue;
        }
        tell(a, q, ADMISSION_UNSURE, "too many ask");
        free(q);
    }
}

/* What the old sources would still answer must not count: who waits for it asks the new ones. */
static void use_sources(struct admission *a, struct sources *fresh)
{
    struct question *waiting = NULL, *q, *next;
    struct lookup *l;

    sources_unref(a->sources);
    a->sources = fresh;
    forget_answers(a);
    a->events.on_changed(a->events.arg);
    DL_FOREACH(a->lookups, l)
    {
        LL_CONCAT(waiting, l->waiting);
        l->waiting = NULL;
    }
    LL_FOREACH_SAFE(waiting, q, next)
    take_question(a, q);
}

static bool take_news(struct admission *a)
{
    struct sources *fresh;
    bool stop;

    pthread_mutex_lock(&a->lock);
    fresh = a->fresh;
    a->fresh = NULL;
    stop = a->stop;
    pthread_mutex_unlock(&a->lock);
    if (stop) {
        sources_unref(fresh);
        return false;
    }
    if (fresh != NULL)
        use_sources(a, fresh);
    take_questions(a);
    return true;
}

static void settle_all(struct admission *a)
{
    struct lookup *l, *next;

    DL_FOREACH_SAFE(a->lookups, l, next)
    settle(l);
}

static void *run_admission(void *arg)
{
    struct admission *a = arg;
    int64_t next_look = 0;

    while (take_news(a)) {
        if (clock_mono_ms() >= next_look) {
            look_at_files(a);
            next_look = clock_mono_ms() + TURN_MS;
        }
        web_turn(a->web, TURN_MS);
        settle_all(a);
    }
    return NULL;
}

struct admission *admission_new(const struct config *c, const struct admission_events *events,
                                struct fault *f)
{
    struct sources *s = sources_new(c, f);
    struct admission *a;

    if (s == NULL)
        return NULL;
    a = mem_alloc(1, sizeof *a);
    a->events = *events;
    a->sources = s;
    a->cache = mem_alloc(CACHE_MAX, sizeof *a->cache);
    a->web = web_new();
    atomic_init(&a->is_open, sources_open(s));
    pthread_mutex_init(&a->lock, NULL);
    if (pthread_create(&a->thread, NULL, run_admission, a) != 0)
        abort();
    pthread_setname_np(a->thread, "derpd-admission");
    return a;
}

bool admission_configure(struct admission *a, const struct config *c, struct fault *f)
{
    struct sources *s = sources_new(c, f);

    if (s == NULL)
        return false;
    /* First: whoever is let in by the old value is seen by the recheck that follows. */
    atomic_store(&a->is_open, sources_open(s));
    pthread_mutex_lock(&a->lock);
    sources_unref(a->fresh);
    a->fresh = s;
    pthread_mutex_unlock(&a->lock);
    web_wake(a->web);
    return true;
}

bool admission_is_open(struct admission *a)
{
    return atomic_load_explicit(&a->is_open, memory_order_relaxed);
}

void admission_ask(struct admission *a, handle_t who, const struct node_key *key,
                   const struct endpoint *from, bool is_recheck)
{
    struct question *q = mem_alloc(1, sizeof *q);
    bool full;

    q->who = who;
    q->key = *key;
    q->from = *from;
    q->is_recheck = is_recheck;
    q->asked_ms = clock_mono_ms();
    q->next = NULL;
    pthread_mutex_lock(&a->lock);
    full = a->question_count >= QUEUE_MAX;
    if (!full) {
        a->question_count++;
        if (a->questions == NULL)
            a->questions = q;
        else
            a->last_question->next = q;
        a->last_question = q;
    }
    pthread_mutex_unlock(&a->lock);
    if (full) {
        tell(a, q, ADMISSION_UNSURE, "too many ask");
        free(q);
    }
    web_wake(a->web);
}

void admission_free(struct admission *a)
{
    struct lookup *l, *next;
    struct question *q, *next_q;

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
        sources_unref(l->sources);
        free(l);
    }
    LL_FOREACH_SAFE(a->questions, q, next_q)
    free(q);
    sources_unref(a->sources);
    sources_unref(a->fresh);
    pthread_mutex_destroy(&a->lock);
    free(a->cache);
    free(a);
}
