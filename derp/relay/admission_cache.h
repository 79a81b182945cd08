/* SPDX-License-Identifier: Apache-2.0 */
/* What the sources said lately. Bounded: a newer answer pushes out an older one. Pure. */
#ifndef DERP_RELAY_ADMISSION_CACHE_H
#define DERP_RELAY_ADMISSION_CACHE_H

#include <stdint.h>

#include "base/net.h"
#include "derp/relay/admission.h"
#include "derp/relay/admission_source.h"
#include "derp/wire/key.h"

struct admission_cached {
    struct node_key key;
    struct endpoint from;
    enum admission_verdict verdict;
    int64_t until_ms; /* 0: nothing here */
    char reason[ADMISSION_REASON];
};

struct admission_cache;
struct admission_cache *admission_cache_new(void);
void admission_cache_free(struct admission_cache *c);
/* Forgets everything. */
void admission_cache_clear(struct admission_cache *c);

/* What holds now for this key from this address; NULL: unknown. Valid until the next put. */
const struct admission_cached *admission_cache_find(const struct admission_cache *c,
                                                    const struct node_key *key,
                                                    const struct endpoint *from, int64_t now_ms);
/* Keeps yes for 30 s and no for 3; other verdicts not. */
void admission_cache_put(struct admission_cache *c, const struct node_key *key,
                         const struct endpoint *from, enum admission_verdict v, const char *reason,
                         int64_t now_ms);

#endif
