/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/admission_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PLACES    2048
#define ADMIT_MS  30000
#define REFUSE_MS 3000

struct admission_cache {
    struct admission_cached places[PLACES];
};

struct admission_cache *admission_cache_new(void)
{
    return mem_alloc(1, sizeof(struct admission_cache));
}

void admission_cache_free(struct admission_cache *c)
{
    free(c);
}

void admission_cache_clear(struct admission_cache *c)
{
    memset(c, 0, sizeof *c);
}

/* Strangers may choose keys for the same place: then they push out answers, and no more. */
static size_t place_of(const struct node_key *key)
{
    uint32_t h;

    memcpy(&h, key->bytes + 8, sizeof h);
    return h % PLACES;
}

const struct admission_cached *admission_cache_find(const struct admission_cache *c,
                                                    const struct node_key *key,
                                                    const struct endpoint *from, int64_t now_ms)
{
    const struct admission_cached *p = &c->places[place_of(key)];

    if (p->until_ms > now_ms && node_key_equal(&p->key, key) && endpoint_same_ip(&p->from, from))
        return p;
    return NULL;
}

void admission_cache_put(struct admission_cache *c, const struct node_key *key,
                         const struct endpoint *from, enum admission_verdict v, const char *reason,
                         int64_t now_ms)
{
    struct admission_cached *p = &c->places[place_of(key)];

    if (v != ADMISSION_ADMIT && v != ADMISSION_REFUSE)
        return;
    p->key = *key;
    p->from = *from;
    p->verdict = v;
    p->until_ms = now_ms + (v == ADMISSION_ADMIT ? ADMIT_MS : REFUSE_MS);
    snprintf(p->reason, sizeof p->reason, "%s", reason);
}
