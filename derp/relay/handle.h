/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of sessions across threads: worker, slot and generation in one number. A handle stays
 * valid as a name for ever; once its session is gone it simply finds nothing.
 */
#ifndef DERP_RELAY_HANDLE_H
#define DERP_RELAY_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t handle_t; /* 0 names nothing */

#define HANDLE_WORKERS_MAX 255
#define HANDLE_SLOTS_MAX   (1u << 24)

static inline handle_t handle_make(unsigned worker, uint32_t slot, uint32_t generation)
{
    return (handle_t)worker << 56 | (handle_t)slot << 32 | generation;
}

static inline unsigned handle_worker(handle_t h)
{
    return (unsigned)(h >> 56);
}

static inline uint32_t handle_slot(handle_t h)
{
    return (uint32_t)(h >> 32) & (HANDLE_SLOTS_MAX - 1);
}

static inline uint32_t handle_generation(handle_t h)
{
    return (uint32_t)h;
}

/* A set of handles: open addressing, grows by doubling, 8 to 16 bytes a handle. */
struct handle_set {
    handle_t *slots; /* 0: free; NULL while empty */
    size_t count;
    size_t capacity; /* a power of two, or 0 */
};

/* Adds h. Before it would grow, handles for which alive() is false are dropped, so that the size
 * follows the living ones and not history. alive may be NULL. */
void handle_set_add(struct handle_set *s, handle_t h, bool (*alive)(void *arg, handle_t h),
                    void *arg);
bool handle_set_has(const struct handle_set *s, handle_t h);
void handle_set_free(struct handle_set *s);

#endif
