/* SPDX-License-Identifier: Apache-2.0 */
/* A run from its first step to the end of the relays, and what is said when it fails. */
#include "tests/model/driver.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/model/driver_private.h"

#define DRAIN_MS 30000

/* What a reader of a failure wants to know of the world. */
static void describe(struct driver *d)
{
    for (unsigned s = 0; s < SLOTS; s++) {
        const struct model_conn *c = &d->model.conns[s];
        if (c->up)
            fprintf(stderr,
                    "    slot %u: key %u on node %u%s%s%s%s, weight %zu, asked %u, told %u\n", s,
                    c->key, c->node, c->ending == MODEL_STAYS ? "" : ", ending",
                    c->is_stalled ? ", stalled" : "", c->maybe_active ? ", active" : "",
                    c->wrote ? ", wrote" : "", c->weight, c->asked, c->told);
    }
    for (unsigned node = 0; node < d->world.count; node++) {
        uint64_t totals[COUNTERS];
        relay_counters(d->world.nodes[node].relay, totals);
        fprintf(stderr, "    node %u:", node);
        for (int id = 0; id < COUNTERS; id++)
            if (totals[id] > 0)
                fprintf(stderr, " %s %lu", driver_counter_name(id), (unsigned long)totals[id]);
        fputc('\n', stderr);
    }
}

void driver_fail(struct driver *d, const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "FAILED at step %zu: ", d->step_number);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\n    while taking the step: ", stderr);
    if (d->step != NULL)
        step_print(stderr, d->step);
    else
        fputs("the end\n", stderr);
    describe(d);
    fflush(stderr);
    _exit(1);
}

/* --- From start to end ---------------------------------------------------------------------- */

static void on_tick(void *arg)
{
    struct driver *d = arg;

    loop_stop(d->loop);
}

static void start(struct driver *d, unsigned nodes, const char *dir)
{
    struct fault f;

    signal(SIGPIPE, SIG_IGN);
    d->loop = loop_new();
    d->scratch = conn_scratch_new();
    loop_timer_init(&d->tick, d->loop, on_tick, d);
    world_start(&d->world, d->loop, nodes, dir);
    d->tls = tls_context_client(d->world.ca_file, TLS_VERIFY_RECORD, &f);
    if (d->tls == NULL)
        driver_fail(d, "%s", f.text);
    d->window_ms = clock_mono_ms();
    model_init(&d->model, nodes);
    if (nodes > 1)
        world_links(&d->world, d->model.linked);
    driver_quiet(d);
}

static bool flooded_are_closed(struct driver *d, struct fault *why)
{
    for (unsigned node = 0; node < d->world.count; node++) {
        int slot = driver_starving(d, node);
        uint64_t totals[COUNTERS];

        relay_counters(d->world.nodes[node].relay, totals);
        if (slot >= 0 && d->places[slot].is_flooded &&
            totals[COUNTER_STALLED] == d->stalled_seen[node])
            return fault_set(why, "slot %d does not read, and is never closed", slot);
    }
    return true;
}

static bool all_are_drained(struct driver *d, struct fault *why)
{
    for (unsigned s = 0; s < SLOTS; s++)
        if (d->places[s].client != NULL)
            return fault_set(why, "slot %u is not closed by the drain", s);
    return __atomic_load_n(&d->world.draining, __ATOMIC_SEQ_CST) == 0 ||
           fault_set(why, "the drain does not end");
}

static void finish(struct driver *d)
{
    d->step = NULL;
    driver_quiet(d);
    driver_until(d, flooded_are_closed);
    driver_quiet(d);
    for (unsigned s = 0; s < SLOTS; s++)
        if (d->places[s].client != NULL && d->model.conns[s].is_stalled)
            driver_resume(d, s);
    driver_quiet(d);
    driver_quiet(d); /* one may have been lost by then */
    d->is_draining = true;
    world_drain(&d->world, DRAIN_MS);
    driver_until(d, all_are_drained);
}

void driver_run(const struct step *list, size_t count, unsigned nodes, const char *dir,
                int patience_ms, bool verbose, size_t *progress)
{
    struct driver *d = mem_alloc(1, sizeof *d);

    d->deadline_ms = patience_ms;
    start(d, nodes, dir);
    for (size_t i = 0; i < count; i++) {
        d->step = &list[i];
        d->step_number = *progress = i + 1;
        if (verbose)
            step_print(stdout, d->step);
        driver_take(d, d->step);
    }
    finish(d);
    world_stop(&d->world);
    tls_context_free(d->tls);
    conn_scratch_free(d->scratch);
    loop_free(d->loop);
    model_free(&d->model);
    free(d);
}
