/* SPDX-License-Identifier: Apache-2.0 */
/* What clients do, and what is certain once a window is over. */
#include "tests/model/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "derp/wire/frame.h"
#include "tests/model/model_private.h"

#define AT_ONCE 3 /* answers "not here" that are given at once */

void model_count(struct model *m, unsigned node, enum counter_id id, uint64_t n)
{
    m->nodes[node].least[id] += n;
    m->nodes[node].most[id] += n;
}

static void count_between(struct model *m, unsigned node, enum counter_id id, uint64_t least,
                          uint64_t most)
{
    m->nodes[node].least[id] += least;
    m->nodes[node].most[id] += most;
}

/* --- Who is there --------------------------------------------------------------------------- */

bool model_may_starve(const struct model *m, unsigned slot)
{
    return m->conns[slot].up && m->conns[slot].weight > MODEL_FITS;
}

static bool holds(const struct model_conn *c, unsigned node, unsigned key)
{
    return c->up && c->node == node && c->key == key;
}

struct model_view model_local(const struct model *m, unsigned node, unsigned key)
{
    struct model_view v = {0};

    for (unsigned s = 0; s < SLOTS; s++) {
        const struct model_conn *c = &m->conns[s];
        if (!holds(c, node, key))
            continue;
        if (c->maybe_active)
            v.candidates |= 1u << s;
        if (!c->is_new || model_may_starve(m, s))
            v.was_here = true;
        if (!c->is_new && c->ending == MODEL_STAYS && !model_may_starve(m, s))
            v.is_sure = true;
        if (c->ending == MODEL_STAYS)
            v.may_be_here = true;
        if (c->ending == MODEL_STAYS && model_may_starve(m, s))
            v.may_starve = true;
    }
    return v;
}

int model_active(const struct model *m, unsigned node, unsigned key)
{
    int best = -1;

    for (int s = 0; s < SLOTS; s++)
        if (holds(&m->conns[s], node, key) && m->conns[s].ending == MODEL_STAYS &&
            (best < 0 || m->conns[s].rank > m->conns[best].rank))
            best = s;
    return best;
}

/* --- Steps ---------------------------------------------------------------------------------- */

/* News travel between nodes; that they have arrived is seen from numbers of keys. So in a window a
 * node's keys become more or fewer, not both. */
static bool mixes(const struct model *m, unsigned node, bool ends)
{
    for (unsigned s = 0; s < SLOTS && m->node_count > 1; s++) {
        const struct model_conn *c = &m->conns[s];
        if (c->up && c->node == node && (ends ? c->is_new : c->ending != MODEL_STAYS))
            return true;
    }
    return false;
}

/* Packets and news take different ways to another node: which comes first? */
static bool has_packets_on_their_way(const struct model *m, unsigned key)
{
    for (size_t i = 0; i < m->packet_count && m->node_count > 1; i++)
        if (!m->packets[i].is_closed && m->packets[i].src == key)
            return true;
    return false;
}

bool model_may_join(const struct model *m, unsigned slot, unsigned node, unsigned key)
{
    if (m->conns[slot].up || mixes(m, node, false)) /* it is ending */
        return false;
    for (unsigned s = 0; s < SLOTS; s++)
        if (holds(&m->conns[s], node, key) && m->conns[s].wrote &&
            m->conns[s].ending == MODEL_STAYS)
            return false; /* which of them was the last? */
    return true;
}

void model_joined(struct model *m, unsigned slot, unsigned node, unsigned key, int64_t since_ms)
{
    m->conns[slot] = (struct model_conn){.up = true,
                                         .node = node,
                                         .key = key,
                                         .serial = ++m->serials,
                                         .rank = ++m->ranks,
                                         .is_new = true,
                                         .maybe_active = true,
                                         .since_ms = since_ms};
    for (unsigned k = 0; k < KEYS; k++)
        m->heard[k][slot] = HEARD_NO;
    for (int order = 0; order < MODEL_ORDERS; order++)
        memset(m->last[order][slot], 0, sizeof m->last[order][slot]);
    model_count(m, node, COUNTER_LOGIN_OK, 1);
}

bool model_may_write(const struct model *m, unsigned slot)
{
    const struct model_conn *c = &m->conns[slot];

    for (unsigned s = 0; s < SLOTS; s++)
        if (s != slot && holds(&m->conns[s], c->node, c->key) && m->conns[s].wrote &&
            m->conns[s].ending == MODEL_STAYS)
            return false; /* the last writer is active: which one is that? */
    return true;
}

static void note_turn(struct model *m, unsigned node, unsigned key, int64_t now_ms)
{
    if (m->turns[node][key].count++ == 0)
        m->turns[node][key].since_ms = now_ms;
}

void model_wrote(struct model *m, unsigned slot, int64_t now_ms)
{
    struct model_conn *c = &m->conns[slot];

    if (model_active(m, c->node, c->key) != (int)slot)
        note_turn(m, c->node, c->key, now_ms);
    c->wrote = true;
    c->maybe_active = true;
    c->rank = ++m->ranks;
}

uint32_t model_sent(struct model *m, unsigned slot, unsigned dst, uint32_t size, bool has_magic)
{
    struct model_conn *c = &m->conns[slot];
    struct model_packet *p;

    if (m->packet_count == m->packet_room) {
        m->packet_room = 2 * m->packet_room + 64;
        m->packets = mem_resize(m->packets, m->packet_room, sizeof *p);
    }
    p = &m->packets[m->packet_count++];
    *p = (struct model_packet){.seq = ++m->seqs,
                               .node = c->node,
                               .from = slot,
                               .from_serial = c->serial,
                               .src = c->key,
                               .dst = dst,
                               .size = size,
                               .has_magic = has_magic,
                               .class = has_magic && size >= 62 ? MODEL_DISCO : MODEL_OTHER};
    for (unsigned node = 0; node < NODES_MAX; node++)
        p->src_life[node] = m->lives[node][c->key];
    for (unsigned s = 0; s < SLOTS; s++)
        if (m->conns[s].up && m->conns[s].key == dst && m->conns[s].is_stalled)
            m->conns[s].weight += MODEL_COST + size;
    return p->seq;
}

void model_stalls(struct model *m, unsigned slot)
{
    struct model_conn *c = &m->conns[slot];

    c->is_stalled = c->was_stalled = true;
    for (size_t i = 0; i < m->packet_count; i++) {
        const struct model_packet *p = &m->packets[i];
        if (!p->is_received && p->dst == c->key)
            c->weight += MODEL_COST + p->size;
    }
}

void model_resumes(struct model *m, unsigned slot)
{
    m->conns[slot].is_stalled = false;
}

bool model_may_end(const struct model *m, unsigned slot, enum model_ending how)
{
    const struct model_conn *c = &m->conns[slot];

    if (mixes(m, c->node, true) || has_packets_on_their_way(m, c->key))
        return false;
    for (unsigned s = 0; s < SLOTS; s++) {
        if (holds(&m->conns[s], c->node, c->key) && m->conns[s].is_new)
            return false; /* a key may be missing once in a window, not twice */
        if (how == MODEL_BREAKS && m->conns[s].up && m->conns[s].is_stalled && m->conns[s].wrote)
            return false; /* only exact numbers tell that its frames were taken */
    }
    return true;
}

void model_ends(struct model *m, unsigned slot, enum model_ending how)
{
    struct model_conn *c = &m->conns[slot];

    c->ending = how;
    if (!c->maybe_active)
        return;
    for (unsigned s = 0; s < SLOTS; s++)
        if (holds(&m->conns[s], c->node, c->key))
            m->conns[s].maybe_active = true;
}

/* --- The end of a window -------------------------------------------------------------------- */

static void note_heard(struct model *m, const struct model_packet *p)
{
    bool is_single = (p->to & (p->to - 1)) == 0;

    for (unsigned s = 0; s < SLOTS; s++) {
        if (!(p->to & 1u << s) || m->heard[p->src][s] == HEARD_YES)
            continue;
        m->heard[p->src][s] = p->is_sure && is_single ? HEARD_YES : HEARD_MAYBE;
    }
}

/* A disco packet for a key that is, or may have been, missing. */
static void ask(struct model *m, struct model_packet *p, bool is_said)
{
    struct model_conn *from = &m->conns[p->from];

    p->must_be_told = is_said && p->to == 0 && from->ending == MODEL_STAYS && from->asked < AT_ONCE;
    from->asked++;
    if (from->is_stalled)
        from->weight += MODEL_COST;
}

static void close_packet(struct model *m, struct model_packet *p)
{
    struct model_view v = model_route(m, p->node, p->dst);
    bool is_said = m->conns[p->from].ending != MODEL_BREAKS;
    int other = p->class == MODEL_OTHER;

    p->is_closed = true;
    p->to = v.candidates;
    p->is_sure = is_said && v.is_sure;
    p->may_be_lost = !v.is_sure;
    count_between(m, p->node, COUNTER_IN_DISCO + other, is_said, 1);
    count_between(m, p->node, COUNTER_IN_DISCO_BYTES + other, is_said ? p->size : 0, p->size);
    count_between(m, p->node, COUNTER_DROP_UNKNOWN_DISCO + other, is_said && p->to == 0,
                  p->may_be_lost);
    note_heard(m, p);
    if (p->may_be_lost && p->class == MODEL_DISCO)
        ask(m, p, is_said);
}

struct model_gone *model_find_gone(struct model *m, unsigned slot, unsigned key)
{
    struct model_gone *found = NULL;

    for (size_t i = 0; i < m->gone_count; i++) {
        struct model_gone *g = &m->gones[i];
        if (g->slot == slot && g->key == key && !g->is_early && !g->is_told &&
            (found == NULL || g->is_must))
            found = g;
    }
    return found;
}

struct model_gone *model_find_early(struct model *m, unsigned slot, unsigned key)
{
    for (size_t i = 0; i < m->gone_count; i++)
        if (m->gones[i].slot == slot && m->gones[i].key == key && m->gones[i].is_early)
            return &m->gones[i];
    return NULL;
}

void model_add_gone(struct model *m, struct model_gone g)
{
    m->gones = mem_resize(m->gones, m->gone_count + 1, sizeof *m->gones);
    m->gones[m->gone_count++] = g;
}

void model_drop_gone(struct model *m, struct model_gone *g)
{
    *g = m->gones[--m->gone_count];
}

/* The key has been missing, for sure or perhaps: a connection that heard from it is told. */
static void expect_gone(struct model *m, unsigned slot, unsigned key, bool is_sure)
{
    enum model_heard *heard = &m->heard[key][slot];
    struct model_gone *early = model_find_early(m, slot, key);

    if (*heard == HEARD_NO)
        return;
    if (early != NULL)
        model_drop_gone(m, early);
    else
        model_add_gone(m, (struct model_gone){.slot = slot,
                                              .key = key,
                                              .life = m->lives[m->conns[slot].node][key] - 1,
                                              .is_sure = is_sure,
                                              .is_must = is_sure && *heard == HEARD_YES});
    if (m->conns[slot].is_stalled)
        m->conns[slot].weight += MODEL_COST;
    *heard = is_sure ? HEARD_NO : HEARD_MAYBE;
}

static void close_key(struct model *m, unsigned node, unsigned key)
{
    struct model_view v = model_presence(m, node, key);

    if (!v.was_here || v.is_sure || v.may_starve)
        return;
    m->lives[node][key]++;
    if (!v.may_be_here)
        m->turns[node][key].count = 0;
    for (unsigned s = 0; s < SLOTS; s++) {
        const struct model_conn *c = &m->conns[s];
        if (c->up && c->node == node && c->ending == MODEL_STAYS)
            expect_gone(m, s, key, !v.may_be_here);
    }
}

static void close_conn(struct model *m, struct model_conn *c)
{
    bool is_said = c->ending != MODEL_BREAKS;

    if (!c->up)
        return;
    count_between(m, c->node, COUNTER_PING, is_said ? c->pings : 0, c->pings);
    count_between(m, c->node, COUNTER_UNKNOWN_FRAME, is_said ? c->unknown : 0, c->unknown);
    if (c->is_stalled)
        c->weight += c->pings * (size_t)MODEL_COST;
    c->pings = c->unknown = 0;
}

void model_close(struct model *m)
{
    for (size_t i = 0; i < m->packet_count; i++)
        if (!m->packets[i].is_closed)
            close_packet(m, &m->packets[i]);
    for (unsigned s = 0; s < SLOTS; s++)
        close_conn(m, &m->conns[s]);
    for (unsigned node = 0; node < m->node_count; node++)
        for (unsigned key = 0; key < KEYS; key++)
            close_key(m, node, key);
}

/* May its sender still be told that nobody is here? */
bool model_may_be_told(const struct model *m, const struct model_packet *p)
{
    const struct model_conn *from = &m->conns[p->from];

    return p->class == MODEL_DISCO && p->may_be_lost && from->up && from->serial == p->from_serial;
}

static bool still_on_its_way(const struct model *m, const struct model_packet *p, uint32_t quiet)
{
    if (p->is_received || p->is_answered)
        return false;
    if (model_may_be_told(m, p) && !(quiet & 1u << p->from))
        return true;
    for (unsigned s = 0; s < SLOTS; s++)
        if (p->to & 1u << s && m->conns[s].up && !(quiet & 1u << s))
            return true;
    return false;
}

static void end_conn(struct model *m, unsigned slot)
{
    m->conns[slot].up = false;
    for (size_t i = m->gone_count; i-- > 0;)
        if (m->gones[i].slot == slot)
            model_drop_gone(m, &m->gones[i]);
    for (size_t i = 0; i < m->packet_count; i++) {
        if (m->packets[i].to & 1u << slot)
            m->packets[i].is_sure = false; /* it may have ended here */
        m->packets[i].to &= ~(1u << slot);
    }
}

void model_quiet(struct model *m, uint32_t slots)
{
    size_t kept = 0;

    model_note_unsafe(m);
    for (unsigned s = 0; s < SLOTS; s++)
        if (m->conns[s].up && m->conns[s].ending != MODEL_STAYS)
            end_conn(m, s);
    for (size_t i = 0; i < m->packet_count; i++) {
        struct model_packet *p = &m->packets[i];
        if (!still_on_its_way(m, p, slots))
            continue;
        if (p->to & slots) /* it may have been dropped there */
            p->is_sure = false;
        p->to &= ~slots;
        p->windows++;
        m->packets[kept++] = *p;
    }
    m->packet_count = kept;
    for (size_t i = m->gone_count; i-- > 0;)
        if (slots & 1u << m->gones[i].slot && !m->gones[i].is_early)
            model_drop_gone(m, &m->gones[i]);
    for (unsigned s = 0; s < SLOTS; s++) {
        struct model_conn *c = &m->conns[s];
        if (!c->up)
            continue;
        c->is_new = c->wrote = false;
        c->maybe_active = model_active(m, c->node, c->key) == (int)s;
        if (slots & 1u << s) {
            c->weight = 0;
            c->was_stalled = false;
        }
    }
    model_news_are_known(m);
}

void model_free(struct model *m)
{
    free(m->packets);
    free(m->gones);
}
