/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/told.h"

#define DAY     (24 * 3600)
#define NOT_YET 3 /* failures that pass by themselves */

static const char *const names[] = {
    [EVENT_NONE] = "none",     [EVENT_RENEWED] = "renewed",   [EVENT_FAILED] = "failed",
    [EVENT_PAUSED] = "paused", [EVENT_EXPIRING] = "expiring",
};

const char *event_name(enum event event)
{
    return names[event];
}

/* A day ago or never; also when the clock has gone back since. */
static bool long_ago(time_t told, time_t now)
{
    return told == 0 || told > now || now - told >= DAY;
}

enum event told_failure(struct state *s, time_t now)
{
    bool passing = s->class == FAILURE_NETWORK || s->class == FAILURE_OVERLOAD;
    if (s->class == FAILURE_NONE || (passing && s->failures < NOT_YET))
        return EVENT_NONE;
    if (!long_ago(s->told.failed[s->class], now))
        return EVENT_NONE;
    s->told.failed[s->class] = now;
    return s->class == FAILURE_PAUSED ? EVENT_PAUSED : EVENT_FAILED;
}

enum event told_expiring(struct state *s, const struct schedule_facts *facts)
{
    time_t from = facts->not_after - (facts->not_after - facts->not_before) / 5;
    if (!facts->usable || facts->now < from || !long_ago(s->told.expiring, facts->now))
        return EVENT_NONE;
    s->told.expiring = facts->now;
    return EVENT_EXPIRING;
}

void told_renewed(struct state *s)
{
    s->told = (struct told){0};
}
