/* SPDX-License-Identifier: Apache-2.0 */
/* What clients may receive, and what they must have received when all is quiet. */
#include <string.h>

#include "derp/relay/backlog.h"
#include "derp/wire/frame.h"
#include "tests/model/model_private.h"
#include "tests/model/payload.h"

/* When devices with one key are told of each other; a clock that is read once a turn may lag. */
#define FIGHT_TURNS 6
#define FIGHT_MS    (10000 - 1000)

/* Bytes of frames that may wait for a client. */
static const size_t lane_max[MODEL_CLASSES] = {
    [MODEL_DISCO] = 64 * 1024,
    [MODEL_OTHER] = 512 * 1024,
};

static size_t frame_len(const struct model_packet *p)
{
    return FRAME_HEADER_LEN + KEY_LEN + p->size;
}

/* --- Packets -------------------------------------------------------------------------------- */

/* Packets are in order of their numbers. */
static struct model_packet *by_seq(struct model *m, uint32_t seq)
{
    size_t low = 0, high = m->packet_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (m->packets[mid].seq < seq)
            low = mid + 1;
        else
            high = mid;
    }
    return low < m->packet_count && m->packets[low].seq == seq ? &m->packets[low] : NULL;
}

static bool may_get(const struct model *m, unsigned slot, const struct model_packet *p)
{
    const struct model_conn *c = &m->conns[slot];

    if (p->is_closed)
        return p->to & 1u << slot;
    return c->key == p->dst && model_route(m, p->node, p->dst).candidates & 1u << slot;
}

/* One that is too short to carry its number: any that fits, best one that is due. */
static struct model_packet *by_content(struct model *m, unsigned slot, unsigned src,
                                       const uint8_t *payload, size_t n)
{
    struct model_packet *found = NULL;

    for (size_t i = 0; i < m->packet_count; i++) {
        struct model_packet *p = &m->packets[i];
        if (p->size == n && p->src == src && !p->is_received && may_get(m, slot, p) &&
            payload_is(payload, n, p->seq, p->has_magic) &&
            (found == NULL || (p->is_sure && !found->is_sure)))
            found = p;
    }
    return found;
}

static enum model_order order_of(const struct model_packet *p)
{
    if (p->class == MODEL_DISCO)
        return MODEL_ORDER_DISCO;
    return frame_len(p) <= BACKLOG_SMALL ? MODEL_ORDER_SMALL : MODEL_ORDER_LARGE;
}

static bool in_order(struct model *m, unsigned slot, const struct model_packet *p, struct fault *f)
{
    uint32_t serial = m->last[order_of(p)][slot][p->from].serial;
    uint32_t seq = m->last[order_of(p)][slot][p->from].seq;

    if (serial == p->from_serial && p->seq < seq)
        return fault_set(f, "slot %u got packet %u of slot %u behind packet %u", slot, p->seq,
                         p->from, seq);
    if (serial <= p->from_serial) {
        m->last[order_of(p)][slot][p->from].serial = p->from_serial;
        m->last[order_of(p)][slot][p->from].seq = p->seq;
    }
    return true;
}

/* Whoever has heard from a key is told when it leaves; perhaps it has left meanwhile. If so, what
 * came was rather this life's PeerGone than that of another one, which is not due. */
static void heard(struct model *m, unsigned slot, const struct model_packet *p)
{
    unsigned node = m->conns[slot].node;
    struct model_gone *this = NULL, *other = NULL;

    if (p->src_life[node] == m->lives[node][p->src]) {
        m->heard[p->src][slot] = HEARD_YES;
        return;
    }
    for (size_t i = 0; i < m->gone_count; i++) {
        struct model_gone *g = &m->gones[i];
        if (g->slot != slot || g->key != p->src || g->is_early)
            continue;
        if (g->life == p->src_life[node])
            this = g;
        else if (g->is_told && !g->is_must)
            other = g;
    }
    if (this == NULL || !this->is_sure)
        return;
    this->is_must = true;
    if (this->is_told || other == NULL)
        return;
    this->is_told = true;
    other->is_told = false;
}

/* A disco packet of this connection, not answered yet, for a key that is or may be missing; one
 * whose answer is due before one whose is not. */
static struct model_packet *asked(struct model *m, unsigned slot, unsigned key)
{
    const struct model_conn *c = &m->conns[slot];
    struct model_packet *found = NULL;

    for (size_t i = 0; i < m->packet_count; i++) {
        struct model_packet *p = &m->packets[i];
        bool may_be_lost = p->is_closed ? p->may_be_lost : !model_route(m, p->node, p->dst).is_sure;

        if (p->from == slot && p->from_serial == c->serial && p->dst == key &&
            p->class == MODEL_DISCO && !p->is_received && !p->is_answered && may_be_lost &&
            (found == NULL || (p->must_be_told && !found->must_be_told)))
            found = p;
    }
    return found;
}

/* It came, so the answer "not here" that was taken for its own was another packet's. */
static bool other_was_answered(struct model *m, struct model_packet *p)
{
    struct model_packet *other;

    p->is_answered = false;
    if (m->conns[p->from].serial != p->from_serial)
        return true;
    other = asked(m, p->from, p->dst);
    if (other != NULL)
        other->is_answered = true;
    return other != NULL;
}

bool model_packet(struct model *m, unsigned slot, unsigned src, const uint8_t *payload, size_t n,
                  struct fault *f)
{
    struct model_packet *p;
    uint32_t seq;
    bool has_seq = payload_seq(payload, n, &seq);

    if (!has_seq) {
        p = by_content(m, slot, src, payload, n);
        if (p == NULL)
            return fault_set(f, "slot %u got a packet of %zu bytes from key %u that is not for it",
                             slot, n, src);
    } else {
        p = by_seq(m, seq);
        if (p == NULL || p->is_received)
            return fault_set(f, "slot %u got packet %u for the second time, or long after", slot,
                             seq);
    }
    if (p->src != src || p->size != n || !payload_is(payload, n, p->seq, p->has_magic))
        return fault_set(f, "slot %u got packet %u changed (%zu bytes from key %u)", slot, p->seq,
                         n, src);
    if (!may_get(m, slot, p))
        return fault_set(f,
                         "slot %u (key %u) got packet %u, which is for key %u's active connection",
                         slot, m->conns[slot].key, p->seq, p->dst);
    p->is_received = true;
    if (p->is_answered && !other_was_answered(m, p))
        return fault_set(f, "slot %u got packet %u, whose sender was told that nobody is here",
                         slot, p->seq);
    heard(m, slot, p);
    return !has_seq || in_order(m, slot, p, f);
}

/* --- PeerGone ------------------------------------------------------------------------------- */

/* In this window, so far: may it have heard from the key? */
static bool may_have_heard(const struct model *m, unsigned slot, unsigned key)
{
    if (m->heard[key][slot] != HEARD_NO)
        return true;
    for (size_t i = 0; i < m->packet_count; i++) {
        const struct model_packet *p = &m->packets[i];
        if (!p->is_closed && p->src == key && may_get(m, slot, p))
            return true;
    }
    return false;
}

bool model_peer_gone(struct model *m, unsigned slot, unsigned key, struct fault *f)
{
    struct model_gone *g = model_find_gone(m, slot, key);
    struct model_view v = model_presence(m, m->conns[slot].node, key);

    if (g != NULL) {
        g->is_told = true;
        return true;
    }
    if (model_find_early(m, slot, key) != NULL)
        return fault_set(f, "slot %u was told twice that key %u has left", slot, key);
    if (!v.was_here || v.is_sure)
        return fault_set(f, "slot %u was told that key %u has left, which %s", slot, key,
                         v.is_sure ? "has not" : "was not here");
    if (!may_have_heard(m, slot, key))
        return fault_set(f, "slot %u was told that key %u has left, of which it has not heard",
                         slot, key);
    model_add_gone(m, (struct model_gone){.slot = slot, .key = key, .is_early = true});
    return true;
}

bool model_not_here(struct model *m, unsigned slot, unsigned key, int64_t now_ms, struct fault *f)
{
    struct model_conn *c = &m->conns[slot];
    struct model_packet *p = asked(m, slot, key);

    if (p == NULL)
        return fault_set(f, "slot %u was told that key %u is not here, and had not asked", slot,
                         key);
    p->is_answered = true;
    c->told++;
    if (c->told > 3 + (now_ms - c->since_ms) / 1000)
        return fault_set(f, "slot %u was told %u times that keys are not here, within %d ms", slot,
                         c->told, (int)(now_ms - c->since_ms));
    return true;
}

/* --- Health --------------------------------------------------------------------------------- */

/* Is it, or was it a moment ago, the only connection of its key? */
static bool may_be_alone(const struct model *m, unsigned slot)
{
    const struct model_conn *c = &m->conns[slot];

    for (unsigned s = 0; s < SLOTS; s++) {
        const struct model_conn *other = &m->conns[s];
        if (s != slot && other->up && other->node == c->node && other->key == c->key &&
            other->ending == MODEL_STAYS && !other->is_new && !model_may_starve(m, s))
            return false;
    }
    return true;
}

/* Several devices with one key are told of each other, which takes some seconds: so it may come
 * under these conditions, and need not. */
bool model_health(struct model *m, unsigned slot, bool is_ill, int64_t now_ms, struct fault *f)
{
    struct model_conn *c = &m->conns[slot];

    if (c->is_told_of_fight == is_ill)
        return fault_set(f, "slot %u was told %s of its health", slot, is_ill ? "twice" : "well");
    c->is_told_of_fight = is_ill;
    if (is_ill && (m->turns[c->node][c->key].count < FIGHT_TURNS ||
                   now_ms - m->turns[c->node][c->key].since_ms < FIGHT_MS))
        return fault_set(f, "slot %u was told of a fight after %u turns in %d ms", slot,
                         m->turns[c->node][c->key].count,
                         (int)(now_ms - m->turns[c->node][c->key].since_ms));
    if (!is_ill && !c->was_stalled && !may_be_alone(m, slot))
        return fault_set(f, "slot %u was told of peace, and is not alone", slot);
    return true;
}

/* --- What is due ---------------------------------------------------------------------------- */

static bool reads(const struct model_conn *c)
{
    return c->up && c->ending == MODEL_STAYS && !c->is_stalled;
}

/* Bytes that may have waited for a slot together, and those of them of one sender so far. */
struct lanes {
    size_t total[MODEL_CLASSES][SLOTS];
    size_t so_far[MODEL_CLASSES][SLOTS][SLOTS];
};

static void count_lanes(const struct model *m, struct lanes *l)
{
    memset(l, 0, sizeof *l);
    for (size_t i = 0; i < m->packet_count; i++)
        for (unsigned s = 0; s < SLOTS; s++)
            if (m->packets[i].to & 1u << s)
                l->total[m->packets[i].class][s] += frame_len(&m->packets[i]);
}

/* Can nothing have pushed it out of a queue? The oldest go first, and what its own sender sent
 * before cannot come after it. To be asked about each packet in turn. */
static bool is_safe(const struct model_packet *p, struct lanes *l)
{
    bool safe = true;

    for (unsigned s = 0; s < SLOTS; s++) {
        size_t *so_far = &l->so_far[p->class][s][p->from];
        if (!(p->to & 1u << s))
            continue;
        safe = safe && l->total[p->class][s] - *so_far <= lane_max[p->class];
        *so_far += frame_len(p);
    }
    return safe;
}

void model_note_unsafe(struct model *m)
{
    struct lanes l;

    count_lanes(m, &l);
    for (size_t i = 0; i < m->packet_count; i++)
        if (!is_safe(&m->packets[i], &l))
            m->packets[i].is_sure = false;
}

/* Does everyone read who may get it? */
static bool all_read(const struct model *m, const struct model_packet *p)
{
    for (unsigned s = 0; s < SLOTS; s++)
        if (p->to & 1u << s && !reads(&m->conns[s]))
            return false;
    return true;
}

static bool misses_packets(const struct model *m, struct fault *f)
{
    struct lanes l;

    count_lanes(m, &l);
    for (size_t i = 0; i < m->packet_count; i++) {
        const struct model_packet *p = &m->packets[i];
        if (is_safe(p, &l) && p->is_sure && !p->is_received && all_read(m, p))
            return !fault_set(f,
                              "packet %u (%u bytes, %s) from slot %u to key %u did not come; slots "
                              "%#x could get it (%u windows ago)",
                              p->seq, p->size, p->class == MODEL_DISCO ? "disco" : "other", p->from,
                              p->dst, p->to, p->windows);
        if (p->must_be_told && !p->is_answered && reads(&m->conns[p->from]))
            return !fault_set(f, "slot %u was not told that key %u is not here (packet %u)",
                              p->from, p->dst, p->seq);
    }
    return false;
}

bool model_misses(const struct model *m, struct fault *f)
{
    if (misses_packets(m, f))
        return true;
    for (size_t i = 0; i < m->gone_count; i++) {
        const struct model_gone *g = &m->gones[i];
        if (g->is_must && !g->is_told && reads(&m->conns[g->slot]))
            return !fault_set(f, "slot %u was not told that key %u has left", g->slot, g->key);
    }
    return false;
}

uint32_t model_uncertain(const struct model *m)
{
    uint32_t slots = 0;

    for (size_t i = 0; i < m->packet_count; i++) {
        const struct model_packet *p = &m->packets[i];
        if (!p->is_received && !p->is_answered)
            slots |= p->to;
    }
    for (size_t i = 0; i < m->gone_count; i++)
        slots |= m->gones[i].is_early || m->gones[i].is_told ? 0 : 1u << m->gones[i].slot;
    for (unsigned s = 0; s < SLOTS; s++) {
        if (m->conns[s].was_stalled) /* its pongs, at least */
            slots |= 1u << s;
        if (!reads(&m->conns[s]))
            slots &= ~(1u << s);
    }
    return slots;
}
