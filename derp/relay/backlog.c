/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/backlog.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "derp/wire/frame.h"

#define FLOWS      32   /* sources with the same number share a turn */
#define QUANTUM    1500 /* bytes of a source's turn */
#define BULK_SHARE 4    /* large packets get one byte in so many while small ones wait, too */

/* CoDel's state (RFC 8289 4). */
struct codel {
    int64_t above_since; /* when a drop is due, should it stay above the target; 0: is below */
    int64_t drop_next;
    uint32_t count; /* drops since the queue began to be shortened */
    bool is_dropping;
};

/* The packets of one source (or of several with the same number). */
struct flow {
    struct mail *head, *tail;
    size_t bytes;
    int32_t deficit;
    struct codel codel;
    struct flow *next; /* in the ring of those that have packets */
    bool is_active;
};

struct lane {
    struct flow flows[FLOWS];
    struct flow *first, *last; /* whose turn it is, and who comes last */
    size_t bytes;
};

struct backlog {
    struct lane small, bulk;
    int32_t bulk_credit; /* bytes that large packets may send before small ones */
    bool keep_late;
};

struct backlog *backlog_new(bool keep_late)
{
    struct backlog *b = mem_alloc(1, sizeof *b);

    b->keep_late = keep_late;
    return b;
}

void backlog_free(struct backlog *b)
{
    free(b);
}

size_t backlog_bytes(const struct backlog *b)
{
    return b->small.bytes + b->bulk.bytes;
}

size_t backlog_small_bytes(const struct backlog *b)
{
    return b->small.bytes;
}

/* --- A flow --------------------------------------------------------------------------------- */

/* The source's key stands first in both frames; its bytes are as good as random. */
static struct flow *flow_of(struct lane *l, const struct packet *p)
{
    const uint8_t *key = p->data + FRAME_HEADER_LEN;

    return &l->flows[p->len > FRAME_HEADER_LEN + 16 ? (key[0] ^ key[16]) % FLOWS : 0];
}

static struct packet *flow_take(struct lane *l, struct flow *f)
{
    struct packet *p = (struct packet *)f->head;

    if (p == NULL)
        return NULL;
    f->head = p->mail.next;
    if (f->head == NULL)
        f->tail = NULL;
    f->bytes -= p->len;
    l->bytes -= p->len;
    return p;
}

void backlog_push(struct backlog *b, struct packet *p)
{
    struct lane *l = p->len <= BACKLOG_SMALL ? &b->small : &b->bulk;
    struct flow *f = flow_of(l, p);

    p->mail.next = NULL;
    if (f->tail != NULL)
        f->tail->next = &p->mail;
    else
        f->head = &p->mail;
    f->tail = &p->mail;
    f->bytes += p->len;
    l->bytes += p->len;
    if (f->is_active)
        return;
    f->is_active = true;
    f->deficit = QUANTUM;
    f->next = NULL;
    if (l->last != NULL)
        l->last->next = f;
    else
        l->first = f;
    l->last = f;
}

/* --- CoDel ---------------------------------------------------------------------------------- */

/* Has the flow's head been too old for long enough? There is one. */
static bool is_late(const struct flow *f, struct codel *c, int64_t now_ms)
{
    const struct packet *p = (const struct packet *)f->head;

    if (now_ms - p->since_ms < BACKLOG_TARGET_MS || f->bytes <= QUANTUM) {
        c->above_since = 0;
        return false;
    }
    if (c->above_since == 0) {
        c->above_since = now_ms + BACKLOG_INTERVAL_MS;
        return false;
    }
    return now_ms >= c->above_since;
}

/* The more drops did not help, the sooner the next one (RFC 8289 3.3). */
static int64_t next_drop(int64_t from, uint32_t count)
{
    return from + (int64_t)(BACKLOG_INTERVAL_MS / sqrt((double)count));
}

static void begin_dropping(struct codel *c, int64_t now_ms)
{
    bool is_soon = c->count > 2 && now_ms - c->drop_next < 8 * BACKLOG_INTERVAL_MS;

    c->is_dropping = true;
    c->count = is_soon ? c->count - 2 : 1;
    c->drop_next = next_drop(now_ms, c->count);
}

/* Is the flow's head to be dropped? Called for each packet that would be sent. */
static bool is_drop_due(const struct flow *f, struct codel *c, int64_t now_ms)
{
    const struct packet *p = (const struct packet *)f->head;

    if (now_ms - p->since_ms > BACKLOG_MAX_MS)
        return true;
    if (!is_late(f, c, now_ms)) {
        c->is_dropping = false;
        return false;
    }
    if (!c->is_dropping) {
        begin_dropping(c, now_ms);
        return true;
    }
    if (now_ms < c->drop_next)
        return false;
    c->count++;
    c->drop_next = next_drop(c->drop_next, c->count);
    return true;
}

/* --- Turns ---------------------------------------------------------------------------------- */

static void end_turn(struct lane *l, struct flow *f)
{
    l->first = f->next;
    if (l->first == NULL)
        l->last = NULL;
    f->next = NULL;
    if (f->head == NULL) {
        f->is_active = false;
        return;
    }
    f->deficit += QUANTUM;
    if (l->last != NULL)
        l->last->next = f;
    else
        l->first = f;
    l->last = f;
}

/* The flow whose turn it is, with a packet that it may send; NULL: the lane is empty. */
static struct flow *lane_turn(struct lane *l)
{
    struct flow *f;

    while ((f = l->first) != NULL) {
        const struct packet *p = (const struct packet *)f->head;
        if (p != NULL && f->deficit > 0)
            return f;
        end_turn(l, f);
    }
    return NULL;
}

static struct packet *lane_pop(const struct backlog *b, struct lane *l, int64_t now_ms,
                               struct packet_pool *pool, packet_drop drop, void *arg)
{
    struct packet *p;
    struct flow *f;

    while ((f = lane_turn(l)) != NULL) {
        bool is_late_one = !b->keep_late && is_drop_due(f, &f->codel, now_ms);

        p = flow_take(l, f);
        if (!is_late_one) {
            f->deficit -= (int32_t)p->len;
            return p;
        }
        if (drop != NULL)
            drop(arg, p, PACKET_LATE);
        packet_free(pool, p);
    }
    return NULL;
}

struct packet *backlog_pop(struct backlog *b, int64_t now_ms, bool urgent_only,
                           struct packet_pool *pool, packet_drop drop, void *arg)
{
    bool bulk_first = b->bulk_credit >= QUANTUM && b->bulk.bytes > 0 && !urgent_only;
    struct packet *p = NULL;

    if (!bulk_first && b->small.bytes > 0) {
        p = lane_pop(b, &b->small, now_ms, pool, drop, arg);
        if (p != NULL && b->bulk.bytes > 0 && !urgent_only)
            b->bulk_credit += (int32_t)p->len / (BULK_SHARE - 1);
    }
    if (p == NULL && !urgent_only) {
        p = lane_pop(b, &b->bulk, now_ms, pool, drop, arg);
        if (p != NULL && bulk_first)
            b->bulk_credit -= (int32_t)p->len;
    }
    if (b->bulk.bytes == 0)
        b->bulk_credit = 0;
    if (p == NULL && b->small.bytes > 0) /* the large ones that were due have been dropped */
        p = lane_pop(b, &b->small, now_ms, pool, drop, arg);
    return p;
}

struct packet *backlog_shed(struct backlog *b)
{
    struct lane *l = b->bulk.bytes > 0 ? &b->bulk : &b->small;
    struct flow *fattest = &l->flows[0];

    for (int i = 1; i < FLOWS; i++)
        if (l->flows[i].bytes > fattest->bytes)
            fattest = &l->flows[i];
    return flow_take(l, fattest);
}
