/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/bootstrap.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "derp/net/names.h"

#define REFRESH_MS (10 * 60 * 1000)     /* derper's */
#define RETRY_MS   (60 * 1000)          /* while a name has no address */
#define KEEP_MS    (24ll * 3600 * 1000) /* how long an answer outlives its name servers */

struct entry {
    char *name;
    struct endpoint list[NAMES_MAX];
    size_t count; /* 0: nothing is known */
    int64_t known_ms;
    bool is_failing;
};

struct bootstrap {
    struct site *site;
    struct names *names; /* NULL: there was nothing to look up yet */
    struct loop_timer timer;
    int64_t asked_ms;
    pthread_mutex_t lock; /* of what follows, which the lookup thread changes; never while asking */
    struct entry entries[CONFIG_MAX_NAMES];
    size_t count;
    unsigned generation; /* of the entries */
    size_t pending;      /* answers that are still to come */
};

/* A question under way. */
struct asked {
    struct bootstrap *b;
    unsigned generation;
    size_t index;
};

/* --- Answers, on the lookup thread ------------------------------------------------------------ */

/* Clients try the first address first: no family and no server is to be first always. */
static void shuffle(struct endpoint *list, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = randombytes_uniform((uint32_t)i);
        struct endpoint moved = list[j];

        list[j] = list[i - 1];
        list[i - 1] = moved;
    }
}

static void learn(struct entry *e, const struct endpoint *list, size_t count, const char *problem,
                  int64_t now)
{
    if (count > 0) {
        memcpy(e->list, list, count * sizeof list[0]);
        shuffle(e->list, count);
        e->count = count;
        e->known_ms = now;
        if (e->is_failing)
            log_notice("bootstrap-dns: %s has an address again", e->name);
        e->is_failing = false;
        return;
    }
    if (now - e->known_ms > KEEP_MS)
        e->count = 0;
    if (!e->is_failing)
        log_warning("bootstrap-dns: %s: %s%s", e->name, problem,
                    e->count > 0 ? " (the old answer stays)" : "");
    e->is_failing = true;
}

static void write_json(const struct bootstrap *b, struct buf *out)
{
    const char *between_names = "";
    char text[ENDPOINT_TEXT];

    buf_puts(out, "{");
    for (size_t i = 0; i < b->count; i++) {
        const struct entry *e = &b->entries[i];
        if (e->count == 0)
            continue;
        /* Host names and addresses need no escaping. */
        buf_printf(out, "%s\n\t\"%s\": [", between_names, e->name);
        for (size_t j = 0; j < e->count; j++)
            buf_printf(out, "%s\n\t\t\"%s\"", j > 0 ? "," : "",
                       endpoint_print_ip(&e->list[j], text));
        buf_puts(out, "\n\t]");
        between_names = ",";
    }
    buf_puts(out, *between_names ? "\n}\n" : "}\n");
}

/* Lock held. */
static void publish(const struct bootstrap *b)
{
    struct buf json;

    buf_init(&json, HTTP_PAGE_MAX);
    write_json(b, &json);
    site_set_names(b->site, buf_text(&json));
    buf_free(&json);
}

static void on_answer(void *arg, const struct endpoint *list, size_t count, const char *problem)
{
    const struct asked *a = arg;
    struct bootstrap *b = a->b;

    pthread_mutex_lock(&b->lock);
    if (a->generation == b->generation) {
        learn(&b->entries[a->index], list, count, problem, clock_mono_ms());
        if (--b->pending == 0)
            publish(b);
    }
    pthread_mutex_unlock(&b->lock);
}

/* --- Questions, on the main thread ------------------------------------------------------------ */

/* Names, count and generation are changed by this thread only, and so are read without the lock,
 * which must not be held: names_ask has one of its own, under which answers come. */
static void ask(struct bootstrap *b)
{
    pthread_mutex_lock(&b->lock);
    b->pending = b->count;
    pthread_mutex_unlock(&b->lock);
    b->asked_ms = clock_mono_ms();
    for (size_t i = 0; i < b->count; i++) {
        struct asked *a = mem_alloc(1, sizeof *a);

        *a = (struct asked){.b = b, .generation = b->generation, .index = i};
        names_ask(b->names, b->entries[i].name, 0, on_answer, a);
    }
}

static bool is_due(struct bootstrap *b, int64_t now)
{
    bool is_complete = true, is_busy;

    pthread_mutex_lock(&b->lock);
    is_busy = b->pending > 0;
    for (size_t i = 0; i < b->count; i++)
        is_complete = is_complete && b->entries[i].count > 0;
    pthread_mutex_unlock(&b->lock);
    return !is_busy && (!is_complete || now - b->asked_ms >= REFRESH_MS);
}

static void on_timer(void *arg)
{
    struct bootstrap *b = arg;

    loop_timer_set(&b->timer, RETRY_MS);
    if (is_due(b, clock_mono_ms()))
        ask(b);
}

struct bootstrap *bootstrap_new(struct loop *loop, struct site *site)
{
    struct bootstrap *b = mem_alloc(1, sizeof *b);

    b->site = site;
    pthread_mutex_init(&b->lock, NULL);
    loop_timer_init(&b->timer, loop, on_timer, b);
    return b;
}

/* Puts the names into entries that are empty; what is known of one comes along. */
static void adopt(struct bootstrap *b, const struct config_names *names)
{
    struct entry *old = mem_copy(b->entries, sizeof b->entries);
    size_t old_count = b->count;

    memset(b->entries, 0, sizeof b->entries);
    for (size_t i = 0; i < names->count; i++) {
        for (size_t j = 0; j < old_count; j++)
            if (strcmp(old[j].name, names->list[i]) == 0)
                b->entries[i] = old[j];
        b->entries[i].name = mem_strdup(names->list[i]);
    }
    for (size_t j = 0; j < old_count; j++)
        free(old[j].name);
    free(old);
    b->count = names->count;
}

void bootstrap_set(struct bootstrap *b, const struct config_names *names)
{
    pthread_mutex_lock(&b->lock);
    adopt(b, names);
    b->generation++;
    b->pending = 0;
    publish(b); /* without those that went; new ones follow */
    pthread_mutex_unlock(&b->lock);
    loop_timer_stop(&b->timer);
    if (b->count == 0)
        return;
    if (b->names == NULL)
        b->names = names_new();
    ask(b);
    loop_timer_set(&b->timer, RETRY_MS);
}

void bootstrap_free(struct bootstrap *b)
{
    if (b == NULL)
        return;
    names_free(b->names);
    loop_timer_stop(&b->timer);
    for (size_t i = 0; i < b->count; i++)
        free(b->entries[i].name);
    pthread_mutex_destroy(&b->lock);
    free(b);
}
