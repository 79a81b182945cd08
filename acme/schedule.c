/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/schedule.h"

#include "base/translate.h"

#define MINUTE 60
#define HOUR   3600
#define DAY    (24 * HOUR)

/* Left of a certificate that the CA wants back: 2 hours at most between tries. */
#define RECALLED (40 * HOUR)

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

time_t schedule_emergency_at(time_t not_before, time_t not_after)
{
    return not_after - ((int64_t)not_after - (int64_t)not_before) / 10;
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* --- After a failure -------------------------------------------------------------------------- */

static bool is_limit(enum failure_class class)
{
    return class == FAILURE_RATE_LIMIT || class == FAILURE_PAUSED;
}

int64_t schedule_longest(enum failure_class class)
{
    return is_limit(class) ? SCHEDULE_WAIT_MAX : DAY;
}

/* The longest wait that the certificate in use allows. */
static int64_t hurry(int64_t remaining)
{
    if (remaining > 0)
        return min(DAY, remaining / 20);
    return remaining < 0 ? min(DAY, max(HOUR, -remaining / 8)) : DAY;
}

int64_t schedule_heed(enum failure_class class, int64_t remaining, int64_t retry_after)
{
    /* The CA's word counts more than our hurry, within reason: a limit is a limit, but an answer
     * that is no limit may come from a proxy that knows nothing of certificates. */
    int64_t heard = schedule_longest(class);
    if (!is_limit(class) && remaining != 0)
        heard = min(heard, max(HOUR, hurry(remaining)));
    return max(0, min(retry_after, heard));
}

int64_t schedule_delay(enum failure_class class, unsigned failures, int64_t remaining,
                       int64_t retry_after, uint32_t random)
{
    const struct rule *rule = &rules[class < FAILURE_CLASSES ? class : FAILURE_PROTOCOL];
    unsigned doublings = failures > 1 ? failures - 1 : 0;
    int64_t wait = doublings < 20 ? min(rule->first << doublings, rule->most) : rule->most;
    wait = min(wait, hurry(remaining));
    wait -= (int64_t)((uint64_t)(wait / 4) * random >> 32);
    wait = max(wait, rule->least);
    return max(wait, schedule_heed(class, remaining, retry_after));
}

/* --- The clock -------------------------------------------------------------------------------- */

enum schedule_clock schedule_clock(time_t now, time_t build, time_t last_seen)
{
    if (now < build)
        return SCHEDULE_CLOCK_WRONG;
    return now < last_seen - DAY ? SCHEDULE_CLOCK_BACK : SCHEDULE_CLOCK_FINE;
}

/* --- What is due ------------------------------------------------------------------------------ */

time_t schedule_due_at(const struct schedule_facts *facts)
{
    time_t backstop = schedule_renew_at(facts->not_before, facts->not_after);
    if (facts->ari_pick == 0)
        return backstop;
    int64_t lifetime = (int64_t)facts->not_after - (int64_t)facts->not_before;
    time_t latest = facts->ari_start <= backstop ? backstop + lifetime / 20 : backstop;
    return min(facts->ari_pick, latest);
}

int64_t schedule_left(const struct schedule_facts *facts, int64_t remaining)
{
    bool recalled = facts->ari_pick != 0 && facts->ari_end <= facts->now &&
                    facts->ari_end < schedule_renew_at(facts->not_before, facts->not_after);
    return recalled ? min(remaining, RECALLED) : remaining;
}

/* The next run of the timer may be too late: the moment comes before it, or the window ends. */
static bool suggested(const struct schedule_facts *facts)
{
    if (facts->ari_pick == 0 || schedule_due_at(facts) != facts->ari_pick)
        return false;
    time_t next_run = facts->now + SCHEDULE_TICK;
    return facts->now >= facts->ari_pick ||
           (facts->now >= facts->ari_start && facts->ari_pick < next_run) ||
           facts->ari_end <= next_run;
}

static enum schedule_answer renewal(const struct schedule_facts *facts)
{
    if (facts->now >= facts->not_after)
        return SCHEDULE_EXPIRED;
    if (facts->now >= schedule_emergency_at(facts->not_before, facts->not_after))
        return SCHEDULE_EMERGENCY;
    if (suggested(facts))
        return SCHEDULE_ARI;
    return facts->now >= schedule_due_at(facts) ? SCHEDULE_DUE : SCHEDULE_GOOD;
}

enum schedule_answer schedule_decide(const struct schedule_facts *facts)
{
    enum schedule_answer answer;
    if (facts->open)
        answer = SCHEDULE_RESUME;
    else if (facts->forced)
        answer = SCHEDULE_FORCED;
    else if (!facts->usable)
        answer = SCHEDULE_MISSING;
    else
        answer = renewal(facts);

    if (answer != SCHEDULE_GOOD && facts->next_try > facts->now && !facts->at_once)
        return SCHEDULE_WAIT;
    return answer;
}

const char *schedule_words(enum schedule_answer answer)
{
    switch (answer) {
    case SCHEDULE_GOOD:
        return N_("the certificate is good");
    case SCHEDULE_WAIT:
        return N_("waiting for the time of the next try");
    case SCHEDULE_RESUME:
        return N_("an order is under way");
    case SCHEDULE_FORCED:
        return N_("a new certificate was asked for");
    case SCHEDULE_MISSING:
        return N_("there is no usable certificate");
    case SCHEDULE_EXPIRED:
        return N_("the certificate has expired");
    case SCHEDULE_DUE:
        return N_("the certificate is due for renewal");
    case SCHEDULE_ARI:
        return N_("the CA suggests to renew the certificate now");
    case SCHEDULE_EMERGENCY:
        return N_("the certificate expires soon");
    }
    return "";
}
