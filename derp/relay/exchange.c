/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of logged-in sessions: packets from one to another, and what clients say to us. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "derp/relay/internal.h"

#define NOT_HERE_EVERY 1000
#define PING_MIN       8
#define PING_MAX       1000
#define SETTLED_MS                                                                                 \
    5000 /* after its login a client has said whether this is its home (derper's)                  \
          */

/* --- Counting ------------------------------------------------------------------------------- */

/* In the counter table a row for disco is followed by its row for other. */
enum counter_id exchange_by_kind(enum counter_id disco, enum packet_kind kind)
{
    return kind == PACKET_DISCO ? disco : disco + 1;
}

void count_drop(struct worker *w, enum counter_id disco_reason, const struct packet *p)
{
    if (p->kind != PACKET_CONTROL)
        count(&w->counters, exchange_by_kind(disco_reason, p->kind), 1);
}

void count_fate(struct worker *w, enum packet_fate why, const struct packet *p)
{
    static const enum counter_id counter[] = {[PACKET_NO_ROOM] = COUNTER_DROP_HEAD_DISCO,
                                              [PACKET_LATE] = COUNTER_DROP_LATE_DISCO,
                                              [PACKET_LEFT] = COUNTER_DROP_GONE_DISCO};

    count_drop(w, counter[why], p);
}

void count_wait(struct worker *w, int64_t ms)
{
    count(&w->counters, counter_of_wait(ms), 1);
    if (ms > 0)
        count(&w->counters, COUNTER_QUEUE_SUM, (uint64_t)ms);
}

/* --- Packets -------------------------------------------------------------------------------- */

static struct destination *destination_of(struct session *s, const struct node_key *dst)
{
    struct registry *r = s->worker->relay->registry;
    struct destination *d;

    if (s->destinations == NULL)
        s->destinations = mem_alloc(DESTINATIONS, sizeof *s->destinations);
    d = &s->destinations[dst->bytes[0] % DESTINATIONS];
    if (d->route.to != 0 && d->route.version == registry_version(r, dst) &&
        node_key_equal(&d->key, dst))
        return d;
    d->key = *dst;
    d->route = registry_route(r, &s->member.key, dst, REGISTRY_REGION);
    return d;
}

/* Packets of `packet_kind` bytes long were taken in or queued. */
static void count_packet(struct worker *w, enum counter_id disco, enum counter_id disco_bytes,
                         enum packet_kind kind, size_t n)
{
    count(&w->counters, exchange_by_kind(disco, kind), 1);
    count(&w->counters, exchange_by_kind(disco_bytes, kind), n);
}

void exchange_not_here(struct session *s, const struct node_key *dst)
{
    int64_t now = loop_now_ms(s->worker->loop);
    uint8_t frame[FRAME_PEER_GONE_LEN];

    while (s->not_here_tokens < NOT_HERE_BURST && now - s->not_here_ms >= NOT_HERE_EVERY) {
        s->not_here_tokens++;
        s->not_here_ms += NOT_HERE_EVERY;
    }
    if (s->not_here_tokens == NOT_HERE_BURST)
        s->not_here_ms = now;
    if (s->not_here_tokens == 0)
        return;
    s->not_here_tokens--;
    frame_write_peer_gone(frame, dst, PEER_GONE_NOT_HERE);
    session_push_bytes(s, frame, sizeof frame);
    count(&s->worker->counters, COUNTER_PEER_GONE_NOT_HERE, 1);
}

/* SendPacket of the sender becomes a RecvPacket for the destination: the one copy. */
struct packet *exchange_recv_packet(struct worker *w, const struct node_key *src,
                                    const uint8_t *payload, size_t n, enum packet_kind kind)
{
    struct packet *p = packet_new(w->pool, FRAME_HEADER_LEN + KEY_LEN + n, kind);

    frame_put_header(p->data, FRAME_RECV_PACKET, KEY_LEN + n);
    memcpy(p->data + FRAME_HEADER_LEN, src->bytes, KEY_LEN);
    memcpy(p->data + FRAME_HEADER_LEN + KEY_LEN, payload, n);
    return p;
}

/* For the relay that has the destination, which makes a RecvPacket of it. */
static struct packet *forward_packet(struct worker *w, const struct node_key *src,
                                     const struct node_key *dst, const uint8_t *payload, size_t n,
                                     enum packet_kind kind)
{
    struct packet *p = packet_new(w->pool, FRAME_HEADER_LEN + 2 * KEY_LEN + n, kind);

    frame_put_header(p->data, FRAME_FORWARD_PACKET, 2 * KEY_LEN + n);
    memcpy(p->data + FRAME_HEADER_LEN, src->bytes, KEY_LEN);
    memcpy(p->data + FRAME_HEADER_LEN + KEY_LEN, dst->bytes, KEY_LEN);
    memcpy(p->data + FRAME_HEADER_LEN + 2 * KEY_LEN, payload, n);
    return p;
}

static void relay_packet(struct session *s, const struct node_key *dst, const uint8_t *payload,
                         size_t n)
{
    struct worker *w = s->worker;
    enum packet_kind kind = packet_is_disco(payload, n) ? PACKET_DISCO : PACKET_OTHER;
    const struct registry_route *route = &destination_of(s, dst)->route;
    const struct node_key *src = &s->member.key;

    count_packet(w, COUNTER_IN_DISCO, COUNTER_IN_DISCO_BYTES, kind, n);
    s->bytes_in += n;
    if (route->to == 0) {
        count(&w->counters, exchange_by_kind(COUNTER_DROP_UNKNOWN_DISCO, kind), 1);
        if (kind == PACKET_DISCO)
            exchange_not_here(s, dst);
        return;
    }
    worker_send(w, route->to,
                route->is_forward ? forward_packet(w, src, dst, payload, n, kind)
                                  : exchange_recv_packet(w, src, payload, n, kind));
}

/* A packet or control frame arrives for one of this worker's sessions. Consumes p. */
void exchange_deliver(struct session *s, struct packet *p)
{
    if (s->state != SESSION_DERP) {
        count_drop(s->worker, COUNTER_DROP_GONE_DISCO, p);
        packet_free(s->worker->pool, p);
        return;
    }
    if (p->kind != PACKET_CONTROL) {
        size_t n = p->len - FRAME_HEADER_LEN - KEY_LEN;
        count_packet(s->worker, COUNTER_OUT_DISCO, COUNTER_OUT_DISCO_BYTES, p->kind, n);
        s->bytes_out += n;
    }
    session_push(s, p);
}

/* --- Other frames --------------------------------------------------------------------------- */

static void take_ping(struct session *s, const struct frame *f)
{
    uint8_t data[8], frame[FRAME_PONG_LEN];

    if (f->len < PING_MIN || f->len > PING_MAX || !frame_read_ping(f, data)) {
        session_protocol_error(s, "a ping of wrong length");
        return;
    }
    /* One pong at a time: a flood of pings must not become a flood of pongs. */
    if (s->pong_waits) {
        count(&s->worker->counters, COUNTER_PING_SKIPPED, 1);
        return;
    }
    s->pong_waits = true;
    frame_write_pong(frame, data);
    session_push_bytes(s, frame, sizeof frame);
    count(&s->worker->counters, COUNTER_PING, 1);
}

static void take_note_preferred(struct session *s, const struct frame *f)
{
    bool home;

    if (!frame_read_note_preferred(f, &home)) {
        session_protocol_error(s, "a NotePreferred of wrong length");
        return;
    }
    if (home == s->is_home)
        return;
    s->is_home = home;
    if (home)
        atomic_fetch_add_explicit(&s->worker->home, 1, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(&s->worker->home, 1, memory_order_relaxed);
    if (loop_now_ms(s->worker->loop) - s->since_ms > SETTLED_MS)
        count(&s->worker->counters, home ? COUNTER_HOME_IN : COUNTER_HOME_OUT, 1);
}

static void take_frame(struct session *s, const struct frame *f)
{
    const uint8_t *payload;
    struct node_key dst;
    size_t n;

    switch (f->type) {
    case FRAME_SEND_PACKET:
        if (frame_read_send_packet(f, &dst, &payload, &n))
            relay_packet(s, &dst, payload, n);
        else
            session_protocol_error(s, "a SendPacket of wrong length");
        return;
    case FRAME_PING:
        take_ping(s, f);
        return;
    case FRAME_NOTE_PREFERRED:
        take_note_preferred(s, f);
        return;
    case FRAME_FORWARD_PACKET:
        region_forward(s, f);
        return;
    case FRAME_WATCH_CONNS:
        region_watch(s, f);
        return;
    case FRAME_CLOSE_PEER:
        region_close_peer(s, f);
        return;
    default:
        count(&s->worker->counters, COUNTER_UNKNOWN_FRAME, 1);
    }
}

static void send_health(struct session *s, const char *text)
{
    uint8_t frame[FRAME_HEALTH_MAX];

    session_push_bytes(s, frame, frame_write_health(frame, text));
    count(&s->worker->counters, COUNTER_HEALTH, 1);
}

/* Each of the devices is told when it writes; who is left alone, that this is over. */
static void tell_of_fight(struct session *s, bool is_fought_over)
{
    static struct log_kind kind;
    char key[NODE_KEY_SHORT], peer[ENDPOINT_TEXT];

    if (s->told_of_fight == is_fought_over || s->is_mesh)
        return;
    s->told_of_fight = is_fought_over;
    if (!is_fought_over) {
        send_health(s, "");
        return;
    }
    send_health(s, "another device uses this device's node key, and each takes the other's "
                   "packets; if one is a copy of the other, log out and in again on it");
    log_limited(&kind, LOG_LEVEL_NOTICE,
                "%s is used by several devices at once, one of them at %s: a copied one has to log "
                "out and in again",
                node_key_short(&s->member.key, key), endpoint_print_ip(&s->peer, peer));
}

void exchange_check_fight(struct session *s)
{
    if (s->told_of_fight && !atomic_load_explicit(&s->member.contested, memory_order_relaxed))
        tell_of_fight(s, false);
}

size_t exchange_data(struct session *s, const uint8_t *data, size_t n, size_t *want)
{
    struct registry *r = s->worker->relay->registry;
    size_t used = 0;

    /* "Last writer is active": any frame counts, once per turn. */
    if (atomic_load_explicit(&s->member.contested, memory_order_relaxed)) {
        if (registry_wrote(r, &s->member, loop_now_ms(s->worker->loop)))
            tell_of_fight(s, true);
    } else {
        exchange_check_fight(s);
    }
    while (s->state == SESSION_DERP && used < n) {
        struct frame f;
        size_t step, len;
        uint8_t type;
        enum frame_result result = frame_decode(data + used, n - used, &f, &step, want);

        /* A second ClientInfo is read over like any frame that means nothing, and no longer. */
        if (frame_peek(data + used, n - used, &type, &len) && type == FRAME_CLIENT_INFO &&
            len > FRAME_UNKNOWN_MAX)
            result = FRAME_TOO_LONG;

        if (result == FRAME_INCOMPLETE)
            return used;
        if (result == FRAME_TOO_LONG) {
            session_protocol_error(s, "a frame longer than its type allows");
            return n;
        }
        take_frame(s, &f);
        used += step;
    }
    return s->state == SESSION_DERP ? used : n;
}

/* --- Leaving -------------------------------------------------------------------------------- */

/* The last connection of a key is gone: everyone who heard from it is told, once. */
void exchange_tell_gone(struct worker *w, const struct node_key *key,
                        const struct handle_set *audience)
{
    for (size_t i = 0; i < audience->capacity; i++) {
        struct packet *p;
        if (audience->slots[i] == 0)
            continue;
        p = packet_new(w->pool, FRAME_PEER_GONE_LEN, PACKET_CONTROL);
        frame_write_peer_gone(p->data, key, PEER_GONE_DISCONNECTED);
        count(&w->counters, COUNTER_PEER_GONE_LEFT, 1);
        worker_send(w, audience->slots[i], p);
    }
}

void exchange_left(struct session *s)
{
    struct handle_set audience;

    region_unwatch(s);
    registry_remove(s->worker->relay->registry, &s->member, &audience);
    exchange_tell_gone(s->worker, &s->member.key, &audience);
    handle_set_free(&audience);
}
