/* SPDX-License-Identifier: Apache-2.0 */
/* Several nodes in one region: who reaches whom, and who knows of whom. */
#include <string.h>

#include "tests/model/model_private.h"

void model_init(struct model *m, unsigned nodes)
{
    *m = (struct model){.node_count = nodes, .windows = 1};
    for (unsigned a = 0; a < nodes; a++)
        for (unsigned b = 0; b < nodes; b++)
            m->linked[a][b] = m->was_linked[a][b] = a != b;
}

void model_links(struct model *m, unsigned a, unsigned b, bool linked)
{
    m->linked[a][b] = m->linked[b][a] = linked;
}

static bool is_reached(const bool linked[NODES_MAX][NODES_MAX], unsigned from, unsigned to)
{
    return from == to || linked[from][to];
}

struct model_view model_presence(const struct model *m, unsigned node, unsigned key)
{
    struct model_view all = {0};

    for (unsigned to = 0; to < m->node_count; to++) {
        struct model_view v = model_local(m, to, key);
        bool was = is_reached(m->was_linked, node, to), is = is_reached(m->linked, node, to);

        all.was_here = all.was_here || (was && v.was_here);
        all.is_sure = all.is_sure || (was && is && v.is_sure);
        all.may_be_here = all.may_be_here || (is && v.may_be_here);
        all.may_starve = all.may_starve || (is && v.may_starve);
    }
    return all;
}

/* Of the other nodes that have it, the one where it has been known for longest; all of those where
 * it became known at the same time. */
static struct model_view route_forward(const struct model *m, unsigned node, unsigned key)
{
    struct model_view all = {0}, oldest = {.is_sure = true};
    unsigned since = UINT32_MAX;

    for (unsigned to = 0; to < m->node_count; to++) {
        struct model_view v = model_local(m, to, key);
        unsigned known = m->known[node][to][key];

        if (to == node || !m->linked[node][to] || v.candidates == 0)
            continue;
        all.candidates |= v.candidates;
        if (known == 0 || known > since)
            continue;
        if (known < since)
            oldest = (struct model_view){.is_sure = true};
        since = known;
        oldest.candidates |= v.candidates;
        oldest.is_sure = oldest.is_sure && v.is_sure;
    }
    return oldest.candidates != 0 && oldest.is_sure ? oldest : all;
}

struct model_view model_route(const struct model *m, unsigned node, unsigned key)
{
    struct model_view here = model_local(m, node, key), there;

    if (here.is_sure || key >= KEYS)
        return here;
    there = route_forward(m, node, key);
    if (here.candidates == 0)
        return there;
    here.candidates |= there.candidates;
    return here;
}

void model_news_are_known(struct model *m)
{
    for (unsigned from = 0; from < m->node_count; from++) {
        for (unsigned to = 0; to < m->node_count; to++) {
            for (unsigned key = 0; key < KEYS; key++) {
                unsigned *known = &m->known[from][to][key];
                if (from == to || !m->linked[from][to] || model_active(m, to, key) < 0)
                    *known = 0;
                else if (*known == 0)
                    *known = m->windows;
            }
        }
    }
    memcpy(m->was_linked, m->linked, sizeof m->linked);
    m->windows++;
}

/* --- Numbers -------------------------------------------------------------------------------- */

static unsigned connections(const struct model *m, unsigned node, unsigned key, uint64_t *home)
{
    unsigned count = 0;

    for (unsigned s = 0; s < SLOTS; s++) {
        const struct model_conn *c = &m->conns[s];
        if (!c->up || c->node != node || c->key != key || c->ending != MODEL_STAYS)
            continue;
        count++;
        *home += c->is_home;
    }
    return count;
}

/* The links of other nodes to this one; each is a client with a key of its own. */
static uint64_t links_to(const struct model *m, unsigned node)
{
    uint64_t count = 0;

    for (unsigned from = 0; from < m->node_count; from++)
        count += m->linked[from][node];
    return count;
}

uint64_t model_link_keys(const struct model *m, unsigned from, unsigned to)
{
    uint64_t count = links_to(m, to) - m->linked[from][to];

    for (unsigned key = 0; key < KEYS; key++)
        count += model_active(m, to, key) >= 0;
    return count;
}

/* Keys of clients, and of nodes that have a link to a node we are linked to, and none to us. */
static uint64_t remote_keys(const struct model *m, unsigned node)
{
    uint64_t count = 0;

    for (unsigned key = 0; key < KEYS; key++) {
        bool is_there = false;
        for (unsigned to = 0; to < m->node_count; to++)
            is_there = is_there || (m->linked[node][to] && model_active(m, to, key) >= 0);
        count += is_there && model_active(m, node, key) < 0;
    }
    for (unsigned other = 0; other < m->node_count; other++) {
        bool is_there = false;
        for (unsigned to = 0; to < m->node_count; to++)
            is_there = is_there || (m->linked[node][to] && m->linked[other][to]);
        count += other != node && is_there && !m->linked[other][node];
    }
    return count;
}

void model_gauges(const struct model *m, unsigned node, struct model_gauges *g)
{
    *g = (struct model_gauges){.remote = remote_keys(m, node)};
    g->clients = g->keys = links_to(m, node);
    for (unsigned key = 0; key < KEYS; key++) {
        unsigned count = connections(m, node, key, &g->home);
        g->clients += count;
        g->keys += count > 0;
        g->contested += count > 1;
    }
}
