/* SPDX-License-Identifier: Apache-2.0 */
/*
 * derp-load PLAN: puts a load on a DERP relay and tells on standard output, as JSON, what became
 * of it. plan.h says what a plan is. Logs in, waits (settle), sends (warm_up, then the window of
 * seconds that counts), waits for what is under way (drain), tells.
 */
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/bench/load/crowd.h"
#include "tests/bench/load/traffic.h"
#include "tests/bench/load/usage.h"

/* What has been used when a phase began. */
struct mark {
    int64_t at_ns, server_ns, own_ns, pss_kib;
};

enum phase { LOGINS, SETTLE, WAIT, WARM_UP, WINDOW, DRAIN, OVER };

struct load {
    struct plan plan;
    struct loop *loop;
    struct loop_timer timer;
    struct loop_io input;
    struct crowd *crowd;
    struct traffic *traffic;
    enum phase phase;
    struct mark marks[OVER + 1];
};

static void enter(struct load *l, enum phase phase, double seconds)
{
    l->phase = phase;
    l->marks[phase] = (struct mark){.at_ns = clock_mono_ns(),
                                    .server_ns = usage_cpu_ns(l->plan.server),
                                    .own_ns = usage_cpu_ns(0),
                                    .pss_kib = usage_pss_kib(l->plan.server)};
    if (seconds >= 0)
        loop_timer_set(&l->timer, (int64_t)(seconds * 1000));
}

static void begin(struct load *l)
{
    const struct plan *p = &l->plan;
    int64_t now, from;

    enter(l, WARM_UP, p->warm_up);
    now = clock_mono_ns();
    from = now + (int64_t)(p->warm_up * 1e9);
    traffic_start(l->traffic, now, from, from + (int64_t)(p->seconds * 1e9));
}

static void on_input(void *arg, int events)
{
    struct load *l = arg;
    char line[64];

    (void)events;
    loop_io_want(&l->input, 0);
    if (read(STDIN_FILENO, line, sizeof line) > 0)
        begin(l);
    else
        loop_stop(l->loop);
}

static void wait_or_begin(struct load *l)
{
    if (!l->plan.waits) {
        begin(l);
        return;
    }
    enter(l, WAIT, -1);
    puts("ready");
    fflush(stdout);
    loop_io_want(&l->input, LOOP_READ);
}

static void on_timer(void *arg)
{
    struct load *l = arg;

    switch (l->phase) {
    case SETTLE:
        wait_or_begin(l);
        return;
    case WARM_UP:
        enter(l, WINDOW, l->plan.seconds);
        return;
    case WINDOW:
        enter(l, DRAIN, l->plan.drain);
        return;
    default:
        traffic_stop(l->traffic);
        enter(l, OVER, -1);
        loop_stop(l->loop);
    }
}

static void on_all_ready(void *arg)
{
    struct load *l = arg;

    enter(l, SETTLE, l->plan.settle);
}

static void on_packet(void *arg, const uint8_t *data, size_t len)
{
    struct load *l = arg;

    traffic_take(l->traffic, data, len);
}

/* --- Report --------------------------------------------------------------------------------- */

static json_t *delays(const struct histogram *h)
{
    static const double share[] = {.01, .05, .1, .25, .5, .75, .9, .95, .99, .995, .999, 1};
    json_t *curve = json_array();

    for (size_t i = 0; i < sizeof share / sizeof share[0]; i++)
        json_array_append_new(
            curve, json_pack("[f, f]", share[i], (double)histogram_quantile(h, share[i]) / 1e3));
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:o}", "p50",
                     (double)histogram_quantile(h, .5) / 1e3, "p99",
                     (double)histogram_quantile(h, .99) / 1e3, "p999",
                     (double)histogram_quantile(h, .999) / 1e3, "max", (double)h->max / 1e3, "mean",
                     h->count > 0 ? h->sum / (double)h->count / 1e3 : 0, "curve", curve);
}

static json_t *report_group(const struct load *l, size_t i)
{
    const struct plan_group *g = &l->plan.groups[i];
    const struct traffic_result *r = traffic_result(l->traffic, i);
    const uint64_t *bytes = traffic_pair_bytes(l->traffic, i);
    json_t *pairs = json_array();

    for (size_t k = 0; k < g->pair_count; k++)
        json_array_append_new(pairs, json_integer((json_int_t)bytes[k]));
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "due", (json_int_t)r->due, "sent",
                     (json_int_t)r->sent, "received", (json_int_t)r->received, "arrived",
                     (json_int_t)r->arrived, "arrived_bytes", (json_int_t)r->arrived_bytes,
                     "reordered", (json_int_t)r->reordered, "pair_bytes", pairs, "delay_ms",
                     delays(&r->delay));
}

/* From one phase to another. */
static json_t *report_span(const struct load *l, enum phase from, enum phase to)
{
    const struct mark *a = &l->marks[from], *b = &l->marks[to];

    return json_pack("{s:f, s:f}", "seconds", (double)(b->at_ns - a->at_ns) / 1e9, "server_cpu",
                     (double)(b->server_ns - a->server_ns) / 1e9);
}

/* How much of our core the packets took. */
static double own_share(const struct load *l)
{
    int64_t window_ns = l->marks[DRAIN].at_ns - l->marks[WINDOW].at_ns;

    return (double)(l->plan.spins ? traffic_busy_ns(l->traffic)
                                  : l->marks[DRAIN].own_ns - l->marks[WINDOW].own_ns) /
           (double)window_ns;
}

static void report(const struct load *l)
{
    const struct crowd_counts *n = crowd_counts(l->crowd);
    json_t *groups = json_object(), *all;

    for (size_t i = 0; i < l->plan.group_count; i++)
        json_object_set_new(groups, l->plan.groups[i].name, report_group(l, i));
    all = json_pack("{s:{s:i, s:i, s:i, s:s}, s:o, s:o, s:f, s:[I, I, I], s:I, s:o}", "connections",
                    "logins", n->logins, "failed", n->failed, "closed", n->closed, "reason",
                    n->reason, "logins", report_span(l, LOGINS, SETTLE), "window",
                    report_span(l, WINDOW, DRAIN), "busy", own_share(l), "pss_kib",
                    (json_int_t)l->marks[LOGINS].pss_kib, (json_int_t)l->marks[WARM_UP].pss_kib,
                    (json_int_t)l->marks[OVER].pss_kib, "corrupt",
                    (json_int_t)traffic_corrupt(l->traffic), "groups", groups);
    json_dumpf(all, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(all);
}

static void raise_descriptors(void)
{
    struct rlimit r;

    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
}

int main(int argc, char **argv)
{
    static struct load l;
    struct crowd_events events = {.on_all_ready = on_all_ready, .on_packet = on_packet, .arg = &l};
    struct fault f;

    signal(SIGPIPE, SIG_IGN);
    raise_descriptors();
    if (argc != 2 || sodium_init() < 0) {
        fprintf(stderr, "usage: derp-load PLAN\n");
        return 2;
    }
    l.loop = loop_new();
    loop_timer_init(&l.timer, l.loop, on_timer, &l);
    loop_io_init(&l.input, l.loop, STDIN_FILENO, on_input, &l);
    if (!plan_read(argv[1], &l.plan, &f) ||
        (l.crowd = crowd_new(&l.plan, l.loop, &events, &f)) == NULL) {
        fprintf(stderr, "derp-load: %s\n", f.text);
        return 1;
    }
    l.traffic = traffic_new(&l.plan, l.crowd, l.loop);
    enter(&l, LOGINS, -1);
    loop_run(l.loop);
    if (l.phase == OVER)
        report(&l);
    crowd_free(l.crowd);
    traffic_free(l.traffic);
    plan_free(&l.plan);
    loop_free(l.loop);
    return l.phase == OVER ? 0 : 1;
}
