/* SPDX-License-Identifier: Apache-2.0 */
/* Steps: what the clients and the operator do, and what the model is told of it. */
#include <string.h>

#include "base/clock.h"
#include "tests/model/driver_private.h"
#include "tests/model/payload.h"

#define FLOOD      12 /* packets of FLOOD_SIZE: more than the kernel, TLS and the queue hold */
#define FLOOD_SIZE 60000
#define NOBODY     (KEYS_ALL - 1)

/* --- Connecting ----------------------------------------------------------------------------- */

static bool login_is_over(struct driver *d, struct fault *why)
{
    struct place *p = &d->places[d->step->args[0]];

    return p->is_refused || (p->client != NULL && p->client->is_open) ||
           fault_set(why, "a login does not come to an end");
}

static bool login_is_right(const struct driver *d)
{
    const struct step *s = d->step;

    return s->args[3] < CLIENT_FIRST_WRONG &&
           world_admits(&d->world.nodes[s->args[2]], (unsigned)s->args[1]);
}

void driver_logged_in(struct driver *d, unsigned slot)
{
    const struct step *s = d->step;
    unsigned node = (unsigned)s->args[2];

    if (!login_is_right(d))
        driver_fail(d, "a login was accepted, and should not be");
    model_joined(&d->model, slot, node, (unsigned)s->args[1], d->places[slot].since_ms);
    if (d->world.nodes[node].admitted != -1)
        model_count(&d->model, node, COUNTER_ADMITTED, 1);
}

static void count_refused(struct driver *d, unsigned node)
{
    if (d->step->args[3] >= CLIENT_FIRST_WRONG) {
        model_count(&d->model, node, COUNTER_LOGIN_FAILED, 1);
        return;
    }
    model_count(&d->model, node, COUNTER_LOGIN_REFUSED, 1);
    model_count(&d->model, node, COUNTER_REFUSED, 1);
}

static struct client_options options_for(struct driver *d, unsigned node, unsigned key)
{
    return (struct client_options){.loop = d->loop,
                                   .scratch = d->scratch,
                                   .tls = d->tls,
                                   .to = d->world.nodes[node].at,
                                   .name = d->world.nodes[node].name,
                                   .keys = &d->world.keys[key],
                                   .server_key = &d->world.nodes[node].keys.public_key,
                                   .receive_buffer = WORLD_BUFFER};
}

static void step_connect(struct driver *d, const struct step *s)
{
    unsigned slot = (unsigned)s->args[0], key = (unsigned)s->args[1], node = (unsigned)s->args[2];
    struct client_options opt = options_for(d, node, key);
    struct place *p = &d->places[slot];

    if (p->client != NULL && d->model.conns[slot].ending == MODEL_STAYS)
        return;
    if (!model_may_join(&d->model, slot, node, key))
        driver_quiet(d);
    if (p->client != NULL || d->model.conns[slot].up)
        return;
    opt.login = (enum client_login)s->args[3];
    *p = (struct place){.since_ms = clock_mono_ms()};
    p->client = client_connect(&opt, &driver_events, d);
    if (p->client == NULL)
        driver_fail(d, "no socket");
    driver_until(d, login_is_over);
    if (!p->is_refused && memcmp(p->client->leaf, d->world.nodes[node].leaf, 32) != 0)
        driver_fail(d, "slot %u was shown an old certificate", slot);
    if (p->is_refused && login_is_right(d))
        driver_fail(d, "a login was refused");
    if (p->is_refused)
        count_refused(d, node);
}

static bool abandoned_is_far_enough(struct driver *d, struct fault *why)
{
    return d->abandoned == NULL || d->abandoned_is_open || fault_set(why, "cannot connect");
}

static void step_abandon(struct driver *d, const struct step *s)
{
    struct client_options opt = options_for(d, (unsigned)s->args[0], 0);

    if (d->abandoned != NULL)
        driver_quiet(d);
    opt.abandon = (enum client_abandon)(1 + s->args[1] % (CLIENT_ABANDONS - 1));
    d->abandoned_is_open = false;
    d->abandoned = client_connect(&opt, &driver_events, d);
    if (d->abandoned == NULL)
        driver_fail(d, "no socket");
    driver_until(d, abandoned_is_far_enough);
    if (d->abandoned != NULL)
        client_vanish(d->abandoned);
}

/* --- Frames --------------------------------------------------------------------------------- */

/* False when the slot's client cannot say anything now. */
static bool begin_write(struct driver *d, unsigned slot)
{
    const struct model_conn *c = &d->model.conns[slot];

    if (d->places[slot].client == NULL || !c->up || c->ending != MODEL_STAYS ||
        model_may_starve(&d->model, slot))
        return false;
    if (!model_may_write(&d->model, slot))
        driver_quiet(d);
    if (d->places[slot].client == NULL || c->ending != MODEL_STAYS)
        return false;
    model_wrote(&d->model, slot, clock_mono_ms());
    return true;
}

/* Only one of a node's connections may come to starve, so that it is known which one did. */
static bool fills_a_second(struct driver *d, unsigned node, unsigned key, size_t bytes)
{
    int starving = driver_starving(d, node);
    bool is_mesh = d->world.count > 1; /* there none, to keep it simple */

    for (int s = 0; s < SLOTS; s++) {
        const struct model_conn *c = &d->model.conns[s];
        if (c->up && (c->node == node || is_mesh) && c->key == key && c->is_stalled &&
            (is_mesh || (starving >= 0 && s != starving)) && c->weight + bytes > MODEL_FITS)
            return true;
    }
    return false;
}

static void send_one(struct driver *d, unsigned slot, unsigned dst, size_t size, bool has_magic)
{
    uint32_t seq = model_sent(&d->model, slot, dst, (uint32_t)size, has_magic);

    payload_make(d->scratch_packet, size, seq, has_magic);
    client_frame(d->places[slot].client, FRAME_SEND_PACKET, KEY_LEN + size,
                 d->world.keys[dst].public_key.bytes, KEY_LEN, d->scratch_packet, size);
    d->window_bytes += size;
}

static void step_send(struct driver *d, const struct step *s)
{
    unsigned slot = (unsigned)s->args[0], dst = (unsigned)s->args[1];
    size_t size = (size_t)s->args[2], count = (size_t)s->args[4];

    if (d->places[slot].client == NULL ||
        fills_a_second(d, d->model.conns[slot].node, dst, count * (MODEL_COST + size)) ||
        !begin_write(d, slot))
        return;
    for (size_t i = 0; i < count; i++)
        send_one(d, slot, dst, size, s->args[3]);
    client_flush(d->places[slot].client, (size_t)s->args[5]);
}

static void step_ping(struct driver *d, const struct step *s)
{
    unsigned slot = (unsigned)s->args[0];

    if (!begin_write(d, slot))
        return;
    for (int i = 0; i < s->args[2]; i++)
        driver_ping(d, slot, (size_t)s->args[1]);
    client_flush(d->places[slot].client, 0);
}

static void step_note(struct driver *d, const struct step *s)
{
    unsigned slot = (unsigned)s->args[0];
    uint8_t byte = (uint8_t)s->args[1];

    if (!begin_write(d, slot))
        return;
    d->model.conns[slot].is_home = byte;
    client_frame(d->places[slot].client, FRAME_NOTE_PREFERRED, 1, &byte, 1, NULL, 0);
    if (d->model.conns[slot].is_stalled)
        driver_ping(d, slot, 8); /* no other number tells that it was taken */
    client_flush(d->places[slot].client, 0);
}

static void step_unknown(struct driver *d, const struct step *s)
{
    unsigned slot = (unsigned)s->args[0];

    if (!begin_write(d, slot))
        return;
    d->model.conns[slot].unknown++;
    memset(d->scratch_packet, 7, 32);
    client_frame(d->places[slot].client, (uint8_t)s->args[1], (size_t)s->args[2], d->scratch_packet,
                 s->args[2] < 32 ? (size_t)s->args[2] : 32, d->scratch_packet,
                 s->args[2] < 32 ? 0 : (size_t)s->args[2] - 32);
    client_flush(d->places[slot].client, 0);
}

/* --- Ends ----------------------------------------------------------------------------------- */

/* False when it cannot end now. */
static bool begin_end(struct driver *d, unsigned slot, enum model_ending how)
{
    const struct model_conn *c = &d->model.conns[slot];

    if (d->places[slot].client == NULL || !c->up || c->ending != MODEL_STAYS)
        return false;
    if (!model_may_end(&d->model, slot, how))
        driver_quiet(d);
    return d->places[slot].client != NULL && c->ending == MODEL_STAYS;
}

static void step_wrong(struct driver *d, const struct step *s)
{
    static const struct {
        uint8_t type;
        size_t length;
        size_t given;
    } wrong[] = {
        {FRAME_NOTE_PREFERRED, 0, 0},
        {FRAME_NOTE_PREFERRED, 2, 2},
        {FRAME_SEND_PACKET, 0, 0},
        {FRAME_SEND_PACKET, 31, 31},
        {FRAME_SEND_PACKET, 65569, 0},
        {FRAME_PING, 0, 0},
        {FRAME_PING, 7, 7},
        {FRAME_PING, 1001, 0},
        {FRAME_WATCH_CONNS, 0, 0},
        {FRAME_WATCH_CONNS, 1, 1},
        {FRAME_CLOSE_PEER, 31, 31},
        {FRAME_CLOSE_PEER, 32, 32},
        {FRAME_FORWARD_PACKET, 63, 63},
        {FRAME_FORWARD_PACKET, 100, 100},
        {FRAME_CLIENT_INFO, 65569, 0},
        {0x7f, 65569, 100},
        {0xff, UINT32_MAX, 1000},
    };
    unsigned slot = (unsigned)s->args[0];
    unsigned which = (unsigned)s->args[1] % (sizeof wrong / sizeof wrong[0]);

    if (!begin_end(d, slot, MODEL_LEAVES) || !begin_write(d, slot))
        return;
    client_frame(d->places[slot].client, wrong[which].type, wrong[which].length, d->scratch_packet,
                 wrong[which].given, NULL, 0);
    client_flush(d->places[slot].client, 0);
    model_ends(&d->model, slot, MODEL_LEAVES);
    model_count(&d->model, d->model.conns[slot].node, COUNTER_PROTOCOL_ERROR, 1);
    if (d->places[slot].client != NULL)
        client_read(d->places[slot].client, true);
}

/* Half a frame, which must come to nothing. */
static void half_a_frame(struct driver *d, unsigned slot)
{
    client_frame(d->places[slot].client, FRAME_SEND_PACKET, KEY_LEN + 1000,
                 d->world.keys[0].public_key.bytes, KEY_LEN, d->scratch_packet, 500);
}

static void step_end(struct driver *d, const struct step *s)
{
    unsigned slot = (unsigned)s->args[0];
    bool may_starve = model_may_starve(&d->model, slot);
    enum model_ending how = s->op == STEP_VANISH || may_starve ? MODEL_BREAKS : MODEL_LEAVES;

    if (!begin_end(d, slot, how))
        return;
    if (model_may_starve(&d->model, slot))
        d->stalled_unclear[d->model.conns[slot].node] = true;
    /* Its first bytes make it active, as any frame does. One that starves says nothing more. */
    if (s->args[1] && begin_write(d, slot)) {
        half_a_frame(d, slot);
        client_flush(d->places[slot].client, 0);
    }
    if (d->places[slot].client == NULL || d->model.conns[slot].ending != MODEL_STAYS)
        return;
    model_ends(&d->model, slot, how);
    if (s->op == STEP_VANISH) {
        client_vanish(d->places[slot].client);
        return;
    }
    client_flush(d->places[slot].client, 0);
    if (d->places[slot].client != NULL)
        client_leave(d->places[slot].client);
}

/* --- Not reading ---------------------------------------------------------------------------- */

static void stall(struct driver *d, unsigned slot)
{
    model_stalls(&d->model, slot);
    d->places[slot].stalled_ms = clock_mono_ms();
    client_read(d->places[slot].client, false);
}

void driver_resume(struct driver *d, unsigned slot)
{
    model_resumes(&d->model, slot);
    d->places[slot].is_flooded = false;
    client_read(d->places[slot].client, true);
}

static void step_stall(struct driver *d, const struct step *s)
{
    unsigned slot = (unsigned)s->args[0];
    const struct model_conn *c = &d->model.conns[slot];
    bool wants = s->op == STEP_STALL;

    if (d->places[slot].client == NULL || !c->up || c->ending != MODEL_STAYS ||
        c->is_stalled == wants)
        return;
    if (wants && driver_starving(d, c->node) >= 0)
        driver_quiet(d); /* what is on its way to it could make it the second that starves */
    if (d->places[slot].client == NULL || c->ending != MODEL_STAYS)
        return;
    if (wants)
        stall(d, slot);
    else
        driver_resume(d, slot);
}

/* More than everything on the way holds; sooner or later the relay loses patience. */
static void step_starve(struct driver *d, const struct step *s)
{
    unsigned slot = (unsigned)s->args[0], by = (unsigned)s->args[1];
    const struct model_conn *c = &d->model.conns[slot];

    driver_quiet(d);
    if (d->world.count > 1 || d->places[slot].client == NULL || !c->up ||
        d->places[by].client == NULL || d->model.conns[by].node != c->node ||
        driver_starving(d, c->node) >= 0 || !begin_write(d, by))
        return;
    if (!c->is_stalled)
        stall(d, slot);
    for (int i = 0; i < FLOOD; i++)
        send_one(d, by, c->key, FLOOD_SIZE, false);
    client_flush(d->places[by].client, 0);
    driver_quiet(d);
    /* With duplicates another connection may have got it, as it is the active one. */
    d->places[slot].is_flooded =
        model_may_starve(&d->model, slot) && model_active(&d->model, c->node, c->key) == (int)slot;
}

static void step_thirst(struct driver *d, const struct step *s)
{
    unsigned slot = (unsigned)s->args[0];
    const struct model_conn *c = &d->model.conns[slot];
    int64_t deadline = clock_mono_ms() + d->deadline_ms;
    unsigned told;

    driver_quiet(d);
    if (d->places[slot].client == NULL || !c->up || c->is_stalled)
        return;
    told = c->told < 3 ? 3 : c->told; /* what is given at once, and one more */
    while (c->up && c->told <= told) {
        if (clock_mono_ms() > deadline)
            driver_fail(d, "slot %u is never told again that a key is not here", slot);
        if (!begin_write(d, slot))
            return;
        send_one(d, slot, NOBODY, 100, true);
        driver_quiet(d);
        loop_timer_set(&d->tick, 20);
        loop_run(d->loop);
    }
}

/* --- The operator --------------------------------------------------------------------------- */

static void step_admit(struct driver *d, const struct step *s)
{
    unsigned node = (unsigned)s->args[0];
    struct node *n = &d->world.nodes[node];

    driver_quiet(d);
    if (driver_starving(d, node) >= 0)
        return;
    world_admit(&d->world, n, s->args[1]);
    if (s->args[1] == -1)
        return; /* nobody is asked about */
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        struct model_conn *c = &d->model.conns[slot];
        if (!c->up || c->node != node)
            continue;
        model_count(&d->model, node, world_admits(n, c->key) ? COUNTER_ADMITTED : COUNTER_REFUSED,
                    1);
        if (world_admits(n, c->key))
            continue;
        model_count(&d->model, node, COUNTER_REVOKED, 1);
        model_ends(&d->model, slot, MODEL_BREAKS);
        client_read(d->places[slot].client, true); /* to see it end */
    }
    driver_quiet(d);
}

static void step_link(struct driver *d, const struct step *s)
{
    unsigned a = (unsigned)s->args[0], b = (unsigned)s->args[1];

    if (a == b || a >= d->world.count || b >= d->world.count || d->model.linked[a][b] == s->args[2])
        return;
    driver_quiet(d);
    model_links(&d->model, a, b, s->args[2]);
    world_links(&d->world, d->model.linked);
    driver_quiet(d);
}

/* --- All of them ---------------------------------------------------------------------------- */

void driver_take(struct driver *d, const struct step *s)
{
    switch (s->op) {
    case STEP_CONNECT:
        step_connect(d, s);
        break;
    case STEP_SEND:
        step_send(d, s);
        break;
    case STEP_PING:
        step_ping(d, s);
        break;
    case STEP_NOTE:
        step_note(d, s);
        break;
    case STEP_UNKNOWN:
        step_unknown(d, s);
        break;
    case STEP_WRONG:
        step_wrong(d, s);
        break;
    case STEP_LEAVE:
    case STEP_VANISH:
        step_end(d, s);
        break;
    case STEP_STALL:
    case STEP_RESUME:
        step_stall(d, s);
        break;
    case STEP_STARVE:
        step_starve(d, s);
        break;
    case STEP_CHUNK:
        if (d->places[s->args[0]].client != NULL)
            d->places[s->args[0]].client->chunk = (size_t)s->args[1];
        break;
    case STEP_ABANDON:
        step_abandon(d, s);
        break;
    case STEP_CERTIFICATE:
        world_certificate(&d->world, &d->world.nodes[s->args[0]], (unsigned)s->args[1]);
        break;
    case STEP_ADMIT:
        step_admit(d, s);
        break;
    case STEP_LINK:
        step_link(d, s);
        break;
    case STEP_THIRST:
        step_thirst(d, s);
        break;
    default:
        driver_quiet(d);
    }
    if (++d->window_steps >= WINDOW_STEPS || d->window_bytes >= WINDOW_BYTES)
        driver_quiet(d);
}
