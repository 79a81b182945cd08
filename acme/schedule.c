/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/schedule.h"

#define MINUTE 60
#define HOUR   3600
#define DAY    (24 * HOUR)

/* first: wait after the first failure; doubled with each more, up to most; never below least. */
struct rule {
    int64_t first, most, least;
};

static const struct rule rules[FAILURE_CLASSES] = {
    [FAILURE_NETWORK] = {MINUTE, HOUR, MINUTE},
    [FAILURE_OVERLOAD] = {2 * MINUTE, 6 * HOUR, MINUTE},
    [FAILURE_RATE_LIMIT] = {HOUR, DAY, 10 * MINUTE},
    [FAILURE_PAUSED] = {12 * HOUR, DAY, HOUR},
    [FAILURE_TERMS] = {6 * HOUR, DAY, HOUR},
    /* Let's Encrypt: 5 failed validations of a name an hour, 1,152 in a row refilled by one a day.
     */
    [FAILURE_REACHABILITY] = {15 * MINUTE, 12 * HOUR, 15 * MINUTE},
    [FAILURE_PREFLIGHT] = {5 * MINUTE, HOUR, MINUTE},
    [FAILURE_CONFIGURATION] = {HOUR, DAY, 15 * MINUTE},
    [FAILURE_PROTOCOL] = {10 * MINUTE, DAY, 5 * MINUTE},
    [FAILURE_LOCAL] = {MINUTE, HOUR, MINUTE},
    [FAILURE_CLOCK] = {5 * MINUTE, HOUR, MINUTE},
};

time_t schedule_renew_at(time_t not_before, time_t not_after)
{
    int64_t lifetime = (int64_t)not_after - (int64_t)not_before;
    if (lifetime <= 0)
        return not_before;
    return not_after - (lifetime < 10 * DAY ? lifetime / 2 : lifetime / 3);
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t schedule_delay(enum failure_class class, unsigned failures, int64_t remaining,
                       int64_t retry_after, uint32_t random)
{
    const struct rule *rule = &rules[class < FAILURE_CLASSES ? class : FAILURE_PROTOCOL];
    unsigned doublings = failures > 1 ? failures - 1 : 0;
    int64_t wait = doublings < 20 ? min(rule->first << doublings, rule->most) : rule->most;
    if (remaining > 0)
        wait = min(wait, remaining / 8);
    wait -= (int64_t)((uint64_t)(wait / 4) * random >> 32);
    wait = max(wait, rule->least);
    /* The CA's word counts more than our hurry, within reason. */
    return max(wait, min(retry_after, SCHEDULE_WAIT_MAX));
}

enum schedule_answer schedule_decide(const struct schedule_facts *facts)
{
    enum schedule_answer answer = SCHEDULE_GOOD;
    if (facts->open)
        answer = SCHEDULE_RESUME;
    else if (facts->forced)
        answer = SCHEDULE_FORCED;
    else if (!facts->usable)
        answer = SCHEDULE_MISSING;
    else if (facts->now >= facts->not_after)
        answer = SCHEDULE_EXPIRED;
    else if (facts->now >= schedule_renew_at(facts->not_before, facts->not_after))
        answer = SCHEDULE_DUE;

    bool waits = facts->next_try > facts->now && facts->next_try - facts->now <= SCHEDULE_WAIT_MAX;
    if (answer != SCHEDULE_GOOD && waits && !facts->at_once)
        return SCHEDULE_WAIT;
    return answer;
}

const char *schedule_words(enum schedule_answer answer)
{
    switch (answer) {
    case SCHEDULE_GOOD:
        return "the certificate is good";
    case SCHEDULE_WAIT:
        return "waiting after a failure";
    case SCHEDULE_RESUME:
        return "an order is under way";
    case SCHEDULE_FORCED:
        return "a new certificate was asked for";
    case SCHEDULE_MISSING:
        return "there is no usable certificate";
    case SCHEDULE_EXPIRED:
        return "the certificate has expired";
    case SCHEDULE_DUE:
        return "the certificate is due for renewal";
    }
    return "";
}
