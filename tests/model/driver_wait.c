/* SPDX-License-Identifier: Apache-2.0 */
/* Quiet points: everything that is on its way arrives, and the numbers are right. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/model/driver_private.h"

#define SPINS    20   /* turns without waiting, before it waits a millisecond at a time */
#define FIRST_MS 2000 /* what is missing then is reported; later things may follow from it */
#define TURNS    3    /* the one under way, one that passes on, one that takes in */
#define AGAIN_MS 50   /* a ping that was skipped is sent again */

static const enum counter_id exact[] = {
    COUNTER_IN_DISCO,
    COUNTER_IN_OTHER,
    COUNTER_IN_DISCO_BYTES,
    COUNTER_IN_OTHER_BYTES,
    COUNTER_DROP_UNKNOWN_DISCO,
    COUNTER_DROP_UNKNOWN_OTHER,
    COUNTER_PING,
    COUNTER_UNKNOWN_FRAME,
    COUNTER_PROTOCOL_ERROR,
    COUNTER_LOGIN_OK,
    COUNTER_LOGIN_FAILED,
    COUNTER_LOGIN_REFUSED,
    COUNTER_ADMITTED,
    COUNTER_REFUSED,
    COUNTER_UNSURE,
    COUNTER_REVOKED,
    COUNTER_EVICTED,
    COUNTER_DROP_TAIL_DISCO,
    COUNTER_DROP_TAIL_OTHER,
    COUNTER_LOGIN_TIMEOUT,
    COUNTER_HANDSHAKE_TIMEOUT,
};
#define EXACT (sizeof exact / sizeof exact[0])

/* --- Waiting -------------------------------------------------------------------------------- */

void driver_until(struct driver *d, bool (*done)(struct driver *d, struct fault *why))
{
    int64_t began = clock_mono_ms();
    struct fault first = {""}, last = {""};

    /* Words cost time, and are hardly ever needed. */
    for (unsigned turns = 0; !done(d, NULL); turns++) {
        int64_t waited = clock_mono_ms() - began;
        if (waited > FIRST_MS && first.text[0] == '\0' && done(d, &first))
            return;
        if (waited > d->deadline_ms) {
            if (done(d, &last))
                return;
            driver_fail(d, "%s\n    and after some more time: %s", first.text, last.text);
        }
        if (turns < SPINS)
            sched_yield();
        loop_timer_set(&d->tick, turns < SPINS ? 0 : 1);
        loop_run(d->loop);
    }
    loop_timer_stop(&d->tick);
}

/* --- Pings ---------------------------------------------------------------------------------- */

/* Sends one, without telling the model. */
static void send_ping(struct driver *d, unsigned slot, size_t size)
{
    static const uint8_t rest[1000];
    struct place *p = &d->places[slot];
    uint64_t which = ++d->pings;

    if (p->ping_count == PINGS_MAX) /* long since skipped */
        memmove(p->pings, p->pings + 1, --p->ping_count * sizeof p->pings[0]);
    p->pings[p->ping_count++] = which;
    if (!p->may_skip && p->must_answer == 0)
        p->must_answer = which;
    p->may_skip = true;
    client_frame(p->client, FRAME_PING, size, &which, 8, rest, size - 8);
}

void driver_ping(struct driver *d, unsigned slot, size_t size)
{
    send_ping(d, slot, size);
    d->model.conns[slot].pings++;
}

static bool can_ping(const struct driver *d, unsigned slot)
{
    const struct model_conn *c = &d->model.conns[slot];

    return d->places[slot].client != NULL && c->up && c->ending == MODEL_STAYS && !c->is_stalled;
}

/* A ping after all else: its answer tells that all else was taken. */
static void send_barrier(struct driver *d, unsigned slot)
{
    struct place *p = &d->places[slot];

    send_ping(d, slot, 8);
    p->barrier = d->pings;
    p->barrier_ms = clock_mono_ms();
    client_flush(p->client, 0);
}

static bool barriers_are_answered(struct driver *d, struct fault *why)
{
    bool all = true;

    for (unsigned s = 0; s < SLOTS; s++) {
        struct place *p = &d->places[s];
        if (p->barrier == 0)
            continue;
        if (p->client == NULL) { /* it was lost */
            p->barrier = 0;
            continue;
        }
        all = fault_set(why, "slot %u gets no answer to its pings", s);
        if (clock_mono_ms() - p->barrier_ms > AGAIN_MS) {
            send_barrier(d, s);
            model_count(&d->model, d->model.conns[s].node, COUNTER_PING, 1);
        }
    }
    return all;
}

static bool workers_have_turned(struct driver *d, struct fault *why)
{
    for (unsigned node = 0; node < d->world.count; node++) {
        if (d->turns[node] < TURNS && relay_is_alive(d->world.nodes[node].relay))
            d->turns[node]++;
        if (d->turns[node] < TURNS)
            return fault_set(why, "node %u's workers stand still", node);
    }
    return true;
}

static int port_of(const struct client *c)
{
    struct endpoint at;
    socklen_t n = sizeof at;

    return getsockname(conn_fd(c->conn), &at.any, &n) == 0 ? endpoint_port(&at) : -1;
}

static bool is_one_of(const struct driver *d, uint32_t slots, const struct relay_client *c)
{
    for (unsigned s = 0; s < SLOTS; s++)
        if (slots & 1u << s && d->places[s].client != NULL &&
            port_of(d->places[s].client) == endpoint_port(&c->peer))
            return true;
    return false;
}

/* Asks a node, again and again, until nothing waits for these clients. */
static bool node_has_written(struct driver *d, unsigned node)
{
    const struct relay_client *c;
    uint64_t waiting = 0;

    if (d->rolls[node] == NULL)
        d->rolls[node] = relay_call_roll(d->world.nodes[node].relay, NULL, NULL);
    if (!relay_roll_is_done(d->rolls[node]))
        return false;
    for (size_t i = 0; (c = relay_roll_get(d->rolls[node], i)) != NULL; i++)
        waiting += is_one_of(d, d->flushed, c) ? c->waiting : 0;
    relay_roll_free(d->rolls[node]);
    d->rolls[node] = NULL;
    return waiting == 0;
}

static bool queues_are_empty(struct driver *d, struct fault *why)
{
    for (unsigned node = 0; node < d->world.count; node++)
        if (d->flushed_nodes & 1u << node && node_has_written(d, node))
            d->flushed_nodes &= ~(1u << node);
    return d->flushed_nodes == 0 || fault_set(why, "packets wait for clients that read");
}

/* First every worker passes on and takes in what is for others, then all of it leaves the queues;
 * what is answered then comes behind it. */
static void flush_queues(struct driver *d, uint32_t slots)
{
    memset(d->turns, 0, sizeof d->turns);
    for (unsigned node = 0; node < d->world.count; node++)
        relay_is_alive(d->world.nodes[node].relay);
    driver_until(d, workers_have_turned);
    d->flushed = slots;
    d->flushed_nodes = (1u << d->world.count) - 1;
    driver_until(d, queues_are_empty);
    for (unsigned s = 0; s < SLOTS; s++)
        if (slots & 1u << s && d->places[s].client != NULL) {
            send_barrier(d, s);
            model_count(&d->model, d->model.conns[s].node, COUNTER_PING, 1);
        }
    driver_until(d, barriers_are_answered);
}

/* --- Numbers -------------------------------------------------------------------------------- */

const char *driver_counter_name(enum counter_id id)
{
    static const char *const names[] = {
#define NAME(id, name, labels, help) #id,
        COUNTER_TABLE(NAME)
#undef NAME
    };
    return names[id];
}

/* Who is logged in may be asked about once more when the lists change quickly. Links log in and
 * ping as they like. */
static bool may_be_more(const struct driver *d, enum counter_id id)
{
    return id == COUNTER_ADMITTED || id == COUNTER_REFUSED ||
           (d->world.count > 1 && (id == COUNTER_LOGIN_OK || id == COUNTER_PING));
}

static bool counters_are_right(struct driver *d, unsigned node, const uint64_t *totals,
                               struct fault *why)
{
    const struct model_node *n = &d->model.nodes[node];

    for (size_t i = 0; i < EXACT; i++) {
        enum counter_id id = exact[i];
        uint64_t is = totals[id] + (id == COUNTER_PING ? totals[COUNTER_PING_SKIPPED] : 0);
        if (is < n->least[id] || (is > n->most[id] && !may_be_more(d, id)))
            return fault_set(why, "node %u counts %s %lu, should be %lu to %lu", node,
                             driver_counter_name(id), (unsigned long)is,
                             (unsigned long)n->least[id], (unsigned long)n->most[id]);
    }
    return true;
}

static uint64_t both(const uint64_t *totals, enum counter_id disco)
{
    return totals[disco] + totals[disco + 1];
}

/* What came in went out or was dropped. Packets that waited for somebody who left are counted
 * twice: out, and gone. */
static bool flow_is_right(unsigned node, const uint64_t *t, struct fault *why)
{
    uint64_t in = both(t, COUNTER_IN_DISCO) + t[COUNTER_FORWARDED_IN];
    uint64_t gone = both(t, COUNTER_DROP_GONE_DISCO);
    uint64_t done = both(t, COUNTER_OUT_DISCO) + t[COUNTER_FORWARDED_OUT] +
                    both(t, COUNTER_DROP_UNKNOWN_DISCO) + both(t, COUNTER_DROP_UNKNOWN_FWD_DISCO) +
                    both(t, COUNTER_DROP_TAIL_DISCO);

    if (done <= in && done + gone >= in)
        return true;
    return fault_set(why, "node %u: %lu packets came, %lu went, %lu were for gone ones", node,
                     (unsigned long)in, (unsigned long)done, (unsigned long)gone);
}

/* Links are up, and each node knows of the others' clients. */
static bool links_are_right(struct driver *d, unsigned node, struct fault *why)
{
    struct mesh_status list[CONFIG_MAX_MESH];
    size_t count = relay_mesh_status(d->world.nodes[node].relay, list, CONFIG_MAX_MESH), i = 0;

    for (unsigned to = 0; to < d->world.count; to++) {
        if (!d->model.linked[node][to])
            continue;
        if (i == count || list[i].state != MESH_UP ||
            list[i].keys != model_link_keys(&d->model, node, to))
            return fault_set(why, "node %u knows %lu keys at node %u (%s), should be %lu", node,
                             i == count ? 0 : (unsigned long)list[i].keys, to,
                             i == count ? "no link" : mesh_state_name(list[i].state),
                             (unsigned long)model_link_keys(&d->model, node, to));
        i++;
    }
    return i == count || fault_set(why, "node %u has a link too many", node);
}

static bool gauges_are_right(struct driver *d, unsigned node, struct fault *why)
{
    struct relay_gauges is;
    struct model_gauges must;

    relay_gauges(d->world.nodes[node].relay, &is);
    model_gauges(&d->model, node, &must);
    if (is.clients == must.clients && is.connections == must.clients && is.home == must.home &&
        is.keys == must.keys && is.contested == must.contested && is.remote == must.remote &&
        is.queued_bytes == 0)
        return true;
    return fault_set(why,
                     "node %u has %lu connections, %lu clients, %lu at home, %lu keys, %lu "
                     "contested, %lu remote, %lu bytes queued; should be %lu, %lu, %lu, %lu, %lu, "
                     "%lu, 0",
                     node, is.connections, is.clients, is.home, is.keys, is.contested, is.remote,
                     is.queued_bytes, must.clients, must.clients, must.home, must.keys,
                     must.contested, must.remote);
}

/* Nothing is asked of a node that has just closed a connection for not reading: next time. */
static bool numbers_are_right(struct driver *d, struct fault *why)
{
    uint64_t sent = 0, arrived = 0;

    for (unsigned node = 0; node < d->world.count; node++) {
        uint64_t totals[COUNTERS];

        relay_counters(d->world.nodes[node].relay, totals);
        if (totals[COUNTER_STALLED] > d->stalled_seen[node] && !d->stalled_unclear[node]) {
            if (driver_starving(d, node) < 0 && clock_mono_ms() - d->window_ms >= WRITE_WAIT_MS)
                exit(DRIVER_TOO_SLOW);
            if (driver_starving(d, node) < 0)
                return fault_set(why, "node %u closed somebody who reads, as stalled", node);
            continue;
        }
        if (!counters_are_right(d, node, totals, why) || !flow_is_right(node, totals, why) ||
            !gauges_are_right(d, node, why) || !links_are_right(d, node, why))
            return false;
        sent += totals[COUNTER_FORWARDED_OUT];
        arrived += totals[COUNTER_FORWARDED_IN];
    }
    return sent == arrived || fault_set(why, "%lu packets were forwarded, %lu arrived",
                                        (unsigned long)sent, (unsigned long)arrived);
}

/* --- Those who do not read ------------------------------------------------------------------ */

int driver_starving(struct driver *d, unsigned node)
{
    const struct model_conn *conns = d->model.conns;
    int most = -1;

    for (int s = 0; s < SLOTS; s++)
        if (model_may_starve(&d->model, (unsigned)s) && conns[s].node == node &&
            conns[s].ending == MODEL_STAYS && (most < 0 || conns[s].weight > conns[most].weight))
            most = s;
    return most;
}

/* Has the relay lost patience with the one who may be starving? */
static void notice_starved(struct driver *d)
{
    for (unsigned node = 0; node < d->world.count; node++) {
        int slot = driver_starving(d, node);
        uint64_t totals[COUNTERS];

        if (slot < 0)
            continue;
        relay_counters(d->world.nodes[node].relay, totals);
        if (totals[COUNTER_STALLED] == d->stalled_seen[node])
            continue;
        if (clock_mono_ms() - d->places[slot].stalled_ms < WRITE_WAIT_MS) {
            /* One that has just been ended may have lost the relay's patience before. */
            if (d->stalled_unclear[node]) {
                d->stalled_seen[node] = totals[COUNTER_STALLED];
                continue;
            }
            driver_fail(d, "slot %d was closed for not reading after %d ms only", slot,
                        (int)(clock_mono_ms() - d->places[slot].stalled_ms));
        }
        d->stalled_seen[node]++;
        model_ends(&d->model, (unsigned)slot, MODEL_BREAKS);
        d->places[slot].is_lost = false;
        if (d->places[slot].client != NULL)
            client_vanish(d->places[slot].client);
    }
}

/* --- Quiet ---------------------------------------------------------------------------------- */

static bool clients_have_ended(struct driver *d, struct fault *why)
{
    for (unsigned s = 0; s < SLOTS; s++)
        if (d->places[s].client != NULL && d->model.conns[s].ending != MODEL_STAYS)
            return fault_set(why, "slot %u is not closed", s);
    return d->abandoned == NULL || fault_set(why, "a broken-off login is not over");
}

static bool all_is_quiet(struct driver *d, struct fault *why)
{
    return barriers_are_answered(d, why) && clients_have_ended(d, why) &&
           numbers_are_right(d, why) && !model_misses(&d->model, why);
}

/* Those whom a ping does not change: they are their key's active connection anyway. */
static uint32_t pingable(struct driver *d)
{
    uint32_t slots = 0;

    for (unsigned s = 0; s < SLOTS; s++) {
        const struct model_conn *c = &d->model.conns[s];
        if (can_ping(d, s) && model_active(&d->model, c->node, c->key) == (int)s)
            slots |= 1u << s;
    }
    return slots;
}

/* From here on the numbers count from what they are. */
static void take_numbers(struct driver *d)
{
    for (unsigned node = 0; node < d->world.count; node++) {
        struct model_node *n = &d->model.nodes[node];
        uint64_t totals[COUNTERS];

        relay_counters(d->world.nodes[node].relay, totals);
        if (d->stalled_unclear[node])
            d->stalled_seen[node] = totals[COUNTER_STALLED];
        d->stalled_unclear[node] = false;
        if (totals[COUNTER_STALLED] > d->stalled_seen[node])
            continue;
        for (size_t i = 0; i < EXACT; i++) {
            enum counter_id id = exact[i];
            n->least[id] = n->most[id] =
                totals[id] + (id == COUNTER_PING ? totals[COUNTER_PING_SKIPPED] : 0);
        }
    }
}

static void next_window(struct driver *d, uint32_t quiet)
{
    model_quiet(&d->model, quiet);
    for (unsigned s = 0; s < SLOTS; s++) {
        struct place *p = &d->places[s];
        if (quiet & 1u << s) {
            p->may_skip = false;
            p->ping_count = 0;
        }
    }
    d->window_steps = 0;
    d->window_bytes = 0;
    d->window_ms = clock_mono_ms();
}

void driver_quiet(struct driver *d)
{
    uint32_t unsure, flushed, readers = 0;

    notice_starved(d);
    for (unsigned s = 0; s < SLOTS; s++) {
        struct model_conn *c = &d->model.conns[s];
        if (d->places[s].client == NULL || c->ending != MODEL_STAYS || !c->wrote)
            continue;
        if (can_ping(d, s)) {
            c->pings++;
            send_barrier(d, s);
        }
        client_flush(d->places[s].client, 0);
    }
    model_close(&d->model);
    driver_until(d, all_is_quiet);
    unsure = model_uncertain(&d->model);
    flushed = unsure & pingable(d);
    if (flushed != 0) {
        flush_queues(d, flushed);
        driver_until(d, all_is_quiet);
    }
    take_numbers(d);
    for (unsigned s = 0; s < SLOTS; s++)
        if (can_ping(d, s))
            readers |= 1u << s;
    next_window(d, readers & (flushed | ~unsure));
}
