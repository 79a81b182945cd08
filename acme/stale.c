/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/stale.h"

#include <stdlib.h>
#include <string.h>

#define HOUR 3600
#define DAY  (24 * HOUR)

void stale_free(struct stale *r)
{
    free(r->name);
    free(r->value);
    *r = (struct stale){0};
}

bool stale_given_up(const struct stale *r)
{
    return r->tries >= STALE_TRIES;
}

/* The first more try is the next run's; then an hour, doubled up to a day. */
static time_t next_try(unsigned tries, time_t now)
{
    if (tries < 2)
        return now;
    int64_t wait = tries < 7 ? (int64_t)HOUR << (tries - 2) : DAY;
    return now + (wait < DAY ? wait : DAY);
}

/* A free place, or the one that was tried most. */
static struct stale *place(struct state *s)
{
    struct stale *most = &s->stale[0];
    for (size_t i = 0; i < STATE_STALE; i++) {
        if (!s->stale[i].name)
            return &s->stale[i];
        if (s->stale[i].tries > most->tries)
            most = &s->stale[i];
    }
    return most;
}

void stale_add(struct state *s, time_t now, struct stale *lost)
{
    struct stale *r = place(s);
    *lost = *r;
    *r = (struct stale){
        .name = s->hook_name, .value = s->hook_value, .tries = 1, .next_try = next_try(1, now)};
    s->hook_name = s->hook_value = NULL;
}

size_t stale_due(const struct state *s, size_t from, time_t now, bool all)
{
    for (size_t i = from; i < STATE_STALE; i++) {
        const struct stale *r = &s->stale[i];
        /* Further ahead than a day: written by a clock that was wrong. */
        bool due = r->next_try <= now || r->next_try - now > DAY;
        if (r->name && r->value && (all || (due && !stale_given_up(r))))
            return i;
    }
    return STATE_STALE;
}

bool stale_failed(struct state *s, size_t i, time_t now)
{
    struct stale *r = &s->stale[i];
    bool already = stale_given_up(r);
    if (!already)
        r->tries++;
    r->next_try = next_try(r->tries, now);
    return !already && stale_given_up(r);
}

void stale_done(struct state *s, size_t i)
{
    stale_free(&s->stale[i]);
}
