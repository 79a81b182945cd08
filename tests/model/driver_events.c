/* SPDX-License-Identifier: Apache-2.0 */
/* What arrives at the clients. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/model/driver_private.h"

struct place *driver_place(struct driver *d, const struct client *c)
{
    for (unsigned s = 0; s < SLOTS; s++)
        if (d->places[s].client == c)
            return &d->places[s];
    return NULL;
}

static unsigned slot_of(const struct driver *d, const struct place *p)
{
    return (unsigned)(p - d->places);
}

/* The number of a client's key. */
static unsigned key_of(struct driver *d, unsigned slot, const struct node_key *k)
{
    for (unsigned i = 0; i < KEYS_ALL; i++)
        if (node_key_equal(k, &d->world.keys[i].public_key))
            return i;
    driver_fail(d, "slot %u got something about a key that nobody has", slot);
}

static void take_packet(struct driver *d, unsigned slot, const struct frame *f)
{
    struct node_key src;
    const uint8_t *packet;
    size_t n;
    struct fault why;
    unsigned key;

    if (!frame_read_recv_packet(f, &src, &packet, &n))
        driver_fail(d, "slot %u got a RecvPacket of wrong length", slot);
    key = key_of(d, slot, &src);
    if (!model_packet(&d->model, slot, key, packet, n, &why))
        driver_fail(d, "%s", why.text);
}

static void take_gone(struct driver *d, unsigned slot, const struct frame *f)
{
    struct node_key who;
    uint8_t reason;
    struct fault why;
    unsigned key;
    bool ok;

    if (f->len != KEY_LEN + 1 || !frame_read_peer_gone(f, &who, &reason))
        driver_fail(d, "slot %u got a PeerGone of wrong length", slot);
    key = key_of(d, slot, &who);
    if (reason == PEER_GONE_DISCONNECTED)
        ok = model_peer_gone(&d->model, slot, key, &why);
    else
        ok = model_not_here(&d->model, slot, key, clock_mono_ms(), &why);
    if (!ok)
        driver_fail(d, "%s", why.text);
}

/* Pongs come in the order of the pings; some may be missing. */
static void take_pong(struct driver *d, unsigned slot, const struct frame *f)
{
    struct place *p = &d->places[slot];
    uint64_t which;
    unsigned i = 0;

    if (f->len != 8)
        driver_fail(d, "slot %u got a Pong of wrong length", slot);
    memcpy(&which, f->payload, 8);
    while (i < p->ping_count && p->pings[i] != which) {
        if (p->pings[i] == p->must_answer)
            driver_fail(d, "slot %u got no answer to a ping while no other waited", slot);
        i++;
    }
    if (i == p->ping_count)
        driver_fail(d, "slot %u got a Pong that it did not ask for", slot);
    memmove(p->pings, p->pings + i + 1, (p->ping_count - i - 1) * sizeof p->pings[0]);
    p->ping_count -= i + 1;
    if (p->must_answer == which)
        p->must_answer = 0;
    if (p->barrier == which)
        p->barrier = 0;
}

static void on_frame(void *arg, struct client *c, const struct frame *f)
{
    struct driver *d = arg;
    struct place *p = driver_place(d, c);
    unsigned slot = slot_of(d, p);
    struct fault why;

    if (d->model.conns[slot].ending != MODEL_STAYS)
        return;
    if (d->is_draining && f->type == FRAME_PEER_GONE)
        return; /* of those whose worker was quicker */
    switch (f->type) {
    case FRAME_RECV_PACKET:
        take_packet(d, slot, f);
        break;
    case FRAME_PEER_GONE:
        take_gone(d, slot, f);
        break;
    case FRAME_PONG:
        take_pong(d, slot, f);
        break;
    case FRAME_KEEP_ALIVE:
        break;
    case FRAME_HEALTH:
        if (!model_health(&d->model, slot, f->len > 0, clock_mono_ms(), &why))
            driver_fail(d, "%s", why.text);
        break;
    case FRAME_RESTARTING:
        if (!d->is_draining || p->got_restarting || f->len != 8)
            driver_fail(d, "slot %u got a Restarting out of place", slot);
        p->got_restarting = true;
        break;
    default:
        driver_fail(d, "slot %u got a frame of type %#x", slot, f->type);
    }
    loop_stop(d->loop);
}

static void on_open(void *arg, struct client *c)
{
    struct driver *d = arg;

    loop_stop(d->loop);
    if (c == d->abandoned) {
        d->abandoned_is_open = true;
        return;
    }
    /* Now, as packets may follow at once. */
    driver_logged_in(d, slot_of(d, driver_place(d, c)));
}

/* The relay closed a connection that was to stay. It may, if it could not write for long. */
static void lost(struct driver *d, unsigned slot, enum conn_end end, const char *reason)
{
    struct model_conn *c = &d->model.conns[slot];
    uint64_t totals[COUNTERS];
    int64_t now = clock_mono_ms();

    relay_counters(d->world.nodes[c->node].relay, totals);
    if (totals[COUNTER_STALLED] > d->stalled_seen[c->node]) {
        if (model_may_starve(&d->model, slot) &&
            now - d->places[slot].stalled_ms >= WRITE_WAIT_MS) {
            d->places[slot].is_lost = true;
            c->is_stalled = true; /* it reads no more */
            return;
        }
        if (now - d->window_ms >= WRITE_WAIT_MS)
            exit(DRIVER_TOO_SLOW);
    }
    driver_fail(d, "slot %u was closed (%s, %s), and should not be", slot, conn_end_name(end),
                reason);
}

static void on_end(void *arg, struct client *c, enum conn_end end, const char *reason)
{
    struct driver *d = arg;
    struct place *p = driver_place(d, c);
    unsigned slot;

    loop_stop(d->loop);
    if (c == d->abandoned) {
        d->abandoned = NULL;
        return;
    }
    slot = slot_of(d, p);
    p->client = NULL;
    if (!c->is_open) {
        p->is_refused = true;
        return;
    }
    if (d->is_draining) {
        if (!p->got_restarting || end != CONN_END_PEER)
            driver_fail(d, "slot %u was drained with end %s, Restarting %s", slot,
                        conn_end_name(end), p->got_restarting ? "seen" : "not seen");
        return;
    }
    if (d->model.conns[slot].up && d->model.conns[slot].ending == MODEL_STAYS)
        lost(d, slot, end, reason);
}

const struct client_events driver_events = {
    .on_frame = on_frame, .on_open = on_open, .on_end = on_end};
