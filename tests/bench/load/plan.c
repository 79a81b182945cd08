/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/plan.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "derp/wire/frame.h"
#include "tests/bench/load/stamp.h"

static bool read_pairs(json_t *list, const struct plan *p, struct plan_group *g, struct fault *f)
{
    size_t i;
    json_t *one;

    g->pair_count = json_array_size(list);
    g->pairs = mem_alloc(g->pair_count + 1, sizeof *g->pairs);
    json_array_foreach(list, i, one)
    {
        struct plan_pair *pair = &g->pairs[i];
        int from = 0, to = 0;

        pair->weight = json_array_size(one) > 2 ? json_number_value(json_array_get(one, 2)) : 1;
        if (json_unpack(one, "[ii]", &from, &to) != 0 || from < 0 || to < 0 ||
            !(pair->weight > 0) || (unsigned)from < p->first ||
            (unsigned)from >= p->first + p->clients)
            return fault_set(f, "group %s, pair %zu: not [from, to], or another's client", g->name,
                             i);
        pair->from = (unsigned)from;
        pair->to = (unsigned)to;
    }
    return true;
}

static enum plan_share share_of(const char *word)
{
    return strcmp(word, "record") == 0  ? PLAN_SHARE_RECORD
           : strcmp(word, "write") == 0 ? PLAN_SHARE_WRITE
                                        : PLAN_SHARE_NOTHING;
}

static bool read_group(json_t *from, const struct plan *p, struct plan_group *g, struct fault *f)
{
    const char *name, *share = "nothing";
    json_t *pairs;
    json_error_t e;
    int size, burst = 1, poisson = 0, disco = 0;

    if (json_unpack_ex(from, &e, 0, "{s:s, s:i, s?i, s?s, s:F, s?b, s?b, s:o}", "name", &name,
                       "size", &size, "burst", &burst, "share", &share, "rate", &g->rate, "poisson",
                       &poisson, "disco", &disco, "pairs", &pairs) != 0)
        return fault_set(f, "a group: %s", e.text);
    g->name = mem_strdup(name);
    if (size < (disco ? 62 : STAMP_LEN) || size > FRAME_PACKET_MAX || burst < 1 || g->rate < 0)
        return fault_set(f, "group %s: size, burst or rate out of range", name);
    g->size = (unsigned)size;
    g->burst = (unsigned)burst;
    g->share = share_of(share);
    g->is_poisson = poisson;
    g->is_disco = disco;
    return read_pairs(pairs, p, g, f);
}

static bool read_all(json_t *from, struct plan *p, struct fault *f)
{
    const char *to, *name, *ca, *wait_for = NULL;
    int server = 0, first = 0, clients, at_once = 32, spins = 0;
    json_t *groups, *one;
    json_error_t e;
    size_t i;

    if (json_unpack_ex(from, &e, 0,
                       "{s:s, s:s, s:s, s?i, s?i, s:i, s?i, s?F, s?F, s:F, s?F, s?b, s?s, s:o}",
                       "to", &to, "name", &name, "ca", &ca, "server", &server, "first", &first,
                       "clients", &clients, "at_once", &at_once, "settle", &p->settle, "warm_up",
                       &p->warm_up, "seconds", &p->seconds, "drain", &p->drain, "spin", &spins,
                       "wait_for", &wait_for, "groups", &groups) != 0)
        return fault_set(f, "%s", e.text);
    if (first < 0 || clients < 1 || at_once < 1 || !endpoint_parse(to, 443, &p->to))
        return fault_set(f, "to, first, clients or at_once make no sense");
    p->name = mem_strdup(name);
    p->ca = mem_strdup(ca);
    p->server = server;
    p->first = (unsigned)first;
    p->clients = (unsigned)clients;
    p->at_once = (unsigned)at_once;
    p->spins = spins;
    p->waits = wait_for != NULL;
    p->group_count = json_array_size(groups);
    p->groups = mem_alloc(p->group_count + 1, sizeof *p->groups);
    json_array_foreach(groups, i, one) if (!read_group(one, p, &p->groups[i], f)) return false;
    return true;
}

bool plan_read(const char *path, struct plan *p, struct fault *f)
{
    json_error_t e;
    json_t *all = json_load_file(path, 0, &e);
    bool ok;

    *p = (struct plan){.settle = 0.5, .warm_up = 1, .drain = 2};
    if (all == NULL)
        return fault_set(f, "%s: %s", path, e.text);
    ok = read_all(all, p, f);
    json_decref(all);
    return ok;
}

void plan_free(struct plan *p)
{
    for (size_t i = 0; i < p->group_count; i++) {
        free(p->groups[i].name);
        free(p->groups[i].pairs);
    }
    free(p->groups);
    free(p->name);
    free(p->ca);
}
