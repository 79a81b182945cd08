/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/traffic.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "derp/wire/frame.h"
#include "tests/bench/load/schedule.h"
#include "tests/bench/load/stamp.h"
#include "tests/bench/load/ticker.h"

#define TICK_NS  20000  /* the shortest sleep */
#define AGAIN_NS 500000 /* until a connection that took nothing is tried again */
#define TURN     32     /* sends before what has come is looked at */

/* A pair of a group. */
struct stream {
    uint32_t group;
    unsigned from;
    struct node_key to;
    double interval_ns; /* between the times when its packets are due; 0: no schedule */
    double due_ns;      /* of its next packets */
    unsigned part;      /* so many of them have been sent */
    uint64_t seq;
    uint64_t heard; /* the next number that is expected */
};

struct traffic {
    const struct plan *plan;
    struct crowd *crowd;
    struct ticker ticker;
    struct stream *streams;
    size_t stream_count;
    struct schedule schedule;
    struct traffic_result *results; /* of each group */
    uint64_t **pair_bytes;
    size_t *first; /* stream of each group */
    int64_t begin_ns, end_ns;
    bool is_running;
    uint64_t corrupt;
    uint64_t handled, handled_before; /* packets sent or taken, by the last turn */
    int64_t turn_ns, busy_ns;
    unsigned short dice[3];
    uint8_t packet[FRAME_PACKET_MAX];
};

/* --- Sending -------------------------------------------------------------------------------- */

static bool in_window(const struct traffic *t, double due_ns)
{
    return due_ns >= (double)t->begin_ns && due_ns < (double)t->end_ns;
}

/* The packets that are due at a time have been sent, or given up. */
static void next_due(struct traffic *t, struct stream *s)
{
    const struct plan_group *g = &t->plan->groups[s->group];

    if (in_window(t, s->due_ns))
        t->results[s->group].due += g->burst;
    s->part = 0;
    s->due_ns += g->is_poisson ? -log(1 - erand48(t->dice)) * s->interval_ns : s->interval_ns;
}

static bool send_one(struct traffic *t, struct stream *s, struct derp_client *client)
{
    const struct plan_group *g = &t->plan->groups[s->group];
    struct stamp stamp = {.stream = (uint32_t)(s - t->streams),
                          .seq = s->seq,
                          .due_ns = (uint64_t)s->due_ns,
                          .is_disco = g->is_disco};

    stamp_write(t->packet, g->size, &stamp);
    if (g->share == PLAN_SHARE_WRITE ? !crowd_queue(t->crowd, s->from, &s->to, t->packet, g->size)
                                     : !derp_client_send(client, &s->to, t->packet, g->size))
        return false;
    s->seq++;
    t->handled++;
    if (in_window(t, s->due_ns))
        t->results[s->group].sent++;
    return true;
}

/* Sends what is due at s->due_ns. Returns when it is to be looked at again; INT64_MAX: never. */
static int64_t send_due(struct traffic *t, struct stream *s, int64_t now_ns)
{
    const struct plan_group *g = &t->plan->groups[s->group];
    struct derp_client *client = crowd_client(t->crowd, s->from);
    bool is_taken = true;

    if (s->interval_ns == 0 && s->part == 0)
        s->due_ns = (double)now_ns;
    if (s->due_ns >= (double)t->end_ns)
        return INT64_MAX;
    if (client == NULL) { /* closed: its packets are lost */
        next_due(t, s);
        return s->interval_ns == 0 ? now_ns + AGAIN_NS : (int64_t)s->due_ns;
    }
    derp_client_cork(client, g->share == PLAN_SHARE_RECORD);
    while (s->part < g->burst && (is_taken = send_one(t, s, client)))
        s->part++;
    derp_client_cork(client, false);
    if (g->share == PLAN_SHARE_WRITE)
        crowd_flush(t->crowd, s->from);
    if (!is_taken)
        return now_ns + AGAIN_NS;
    next_due(t, s);
    return s->interval_ns == 0 ? now_ns + 1 : (int64_t)s->due_ns; /* others first */
}

/* The last turn was work if packets were sent or came in it. */
static void note_turn(struct traffic *t, int64_t now_ns)
{
    if (t->handled != t->handled_before && in_window(t, (double)now_ns))
        t->busy_ns += now_ns - t->turn_ns;
    t->handled_before = t->handled;
    t->turn_ns = now_ns;
}

static void on_tick(void *arg)
{
    struct traffic *t = arg;
    int64_t now_ns = clock_mono_ns(), next;

    note_turn(t, now_ns);
    for (int i = 0; t->is_running && i < TURN && t->schedule.entries[0].at_ns <= now_ns; i++) {
        struct stream *s = &t->streams[t->schedule.entries[0].what];
        schedule_put_off(&t->schedule, send_due(t, s, now_ns));
    }
    if (!t->is_running)
        return;
    next = t->schedule.entries[0].at_ns;
    if (next == INT64_MAX || t->ticker.spins)
        return;
    ticker_at(&t->ticker, next < now_ns + TICK_NS ? now_ns + TICK_NS : next);
}

/* --- Receiving ------------------------------------------------------------------------------ */

void traffic_take(struct traffic *t, const uint8_t *data, size_t len)
{
    int64_t now_ns = clock_mono_ns();
    struct traffic_result *r;
    struct stamp stamp;
    struct stream *s;

    t->handled++;
    if (!stamp_read(data, len, &stamp) || stamp.stream >= t->stream_count) {
        t->corrupt++;
        return;
    }
    s = &t->streams[stamp.stream];
    r = &t->results[s->group];
    if (stamp.seq < s->heard)
        r->reordered++;
    s->heard = stamp.seq + 1;
    if (in_window(t, (double)now_ns)) {
        r->arrived++;
        r->arrived_bytes += len;
        t->pair_bytes[s->group][stamp.stream - t->first[s->group]] += len;
    }
    if (!in_window(t, (double)stamp.due_ns))
        return;
    r->received++;
    histogram_add(&r->delay, (uint64_t)(now_ns - (int64_t)stamp.due_ns) / 1000);
}

/* --- Life ----------------------------------------------------------------------------------- */

static double weight_of(const struct plan_group *g)
{
    double sum = 0;

    for (size_t i = 0; i < g->pair_count; i++)
        sum += g->pairs[i].weight;
    return sum;
}

static void add_group(struct traffic *t, uint32_t index)
{
    const struct plan_group *g = &t->plan->groups[index];
    double weight = weight_of(g);

    t->first[index] = t->stream_count;
    t->pair_bytes[index] = mem_alloc(g->pair_count + 1, sizeof(uint64_t));
    for (size_t i = 0; i < g->pair_count; i++) {
        struct stream *s = &t->streams[t->stream_count++];

        s->group = index;
        s->from = g->pairs[i].from;
        crowd_key(g->pairs[i].to, &s->to);
        if (g->rate > 0)
            s->interval_ns = 1e9 * g->burst * weight / (g->rate * g->pairs[i].weight);
    }
}

struct traffic *traffic_new(const struct plan *p, struct crowd *crowd, struct loop *loop)
{
    struct traffic *t = mem_alloc(1, sizeof *t);
    size_t count = 0;

    for (size_t i = 0; i < p->group_count; i++)
        count += p->groups[i].pair_count;
    t->plan = p;
    t->crowd = crowd;
    t->dice[0] = 1;
    t->streams = mem_alloc(count + 1, sizeof *t->streams);
    t->schedule.entries = mem_alloc(count + 1, sizeof *t->schedule.entries);
    t->results = mem_alloc(p->group_count + 1, sizeof *t->results);
    t->pair_bytes = mem_alloc(p->group_count + 1, sizeof *t->pair_bytes);
    t->first = mem_alloc(p->group_count + 1, sizeof *t->first);
    for (size_t i = 0; i < p->group_count; i++)
        add_group(t, (uint32_t)i);
    ticker_init(&t->ticker, loop, p->spins, on_tick, t);
    return t;
}

void traffic_free(struct traffic *t)
{
    ticker_stop(&t->ticker);
    for (size_t i = 0; i < t->plan->group_count; i++)
        free(t->pair_bytes[i]);
    free(t->pair_bytes);
    free(t->first);
    free(t->results);
    free(t->schedule.entries);
    free(t->streams);
    free(t);
}

/* The streams of a group do not begin all at once. */
void traffic_start(struct traffic *t, int64_t now_ns, int64_t begin_ns, int64_t end_ns)
{
    t->begin_ns = begin_ns;
    t->end_ns = end_ns;
    t->is_running = t->stream_count > 0;
    for (size_t i = 0; i < t->stream_count; i++) {
        struct stream *s = &t->streams[i];
        size_t pairs = t->plan->groups[s->group].pair_count;

        s->due_ns =
            (double)now_ns + s->interval_ns * (double)(i - t->first[s->group]) / (double)pairs;
        schedule_add(&t->schedule, (int64_t)s->due_ns, (uint32_t)i);
    }
    if (t->is_running)
        ticker_at(&t->ticker, now_ns);
    t->turn_ns = now_ns;
}

void traffic_stop(struct traffic *t)
{
    t->is_running = false;
    for (size_t i = 0; i < t->stream_count; i++) {
        struct stream *s = &t->streams[i];

        if (s->interval_ns == 0)
            continue;
        while (s->due_ns < (double)t->end_ns)
            next_due(t, s);
    }
}

const struct traffic_result *traffic_result(const struct traffic *t, size_t group)
{
    return &t->results[group];
}

const uint64_t *traffic_pair_bytes(const struct traffic *t, size_t group)
{
    return t->pair_bytes[group];
}

int64_t traffic_busy_ns(const struct traffic *t)
{
    return t->busy_ns;
}

uint64_t traffic_corrupt(const struct traffic *t)
{
    return t->corrupt;
}
