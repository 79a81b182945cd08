/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/handle.h"

#include <stdlib.h>

#include "base/mem.h"

#define START_CAPACITY 8

/* Handles differ in slot and generation: multiply to spread both (Fibonacci hashing). */
static size_t first_place(const struct handle_set *s, handle_t h)
{
    return (size_t)((h * 0x9e3779b97f4a7c15ULL) >> 32) & (s->capacity - 1);
}

static void insert(struct handle_set *s, handle_t h)
{
    size_t i = first_place(s, h);

    while (s->slots[i] != 0 && s->slots[i] != h)
        i = (i + 1) & (s->capacity - 1);
    if (s->slots[i] == 0)
        s->count++;
    s->slots[i] = h;
}

static void rebuild(struct handle_set *s, bool (*alive)(void *arg, handle_t h), void *arg)
{
    struct handle_set fresh = {.capacity = START_CAPACITY};
    size_t living = 0;

    for (size_t i = 0; i < s->capacity; i++) {
        if (s->slots[i] != 0 && alive != NULL && !alive(arg, s->slots[i]))
            s->slots[i] = 0;
        living += s->slots[i] != 0;
    }
    while (fresh.capacity < 2 * (living + 1))
        fresh.capacity *= 2;
    fresh.slots = mem_alloc(fresh.capacity, sizeof *fresh.slots);
    for (size_t i = 0; i < s->capacity; i++)
        if (s->slots[i] != 0)
            insert(&fresh, s->slots[i]);
    free(s->slots);
    *s = fresh;
}

void handle_set_add(struct handle_set *s, handle_t h, bool (*alive)(void *arg, handle_t h),
                    void *arg)
{
    if (handle_set_has(s, h))
        return;
    if (4 * (s->count + 1) > 3 * s->capacity)
        rebuild(s, alive, arg);
    insert(s, h);
}

bool handle_set_has(const struct handle_set *s, handle_t h)
{
    if (s->capacity == 0)
        return false;
    for (size_t i = first_place(s, h); s->slots[i] != 0; i = (i + 1) & (s->capacity - 1))
        if (s->slots[i] == h)
            return true;
    return false;
}

void handle_set_free(struct handle_set *s)
{
    free(s->slots);
    *s = (struct handle_set){0};
}
