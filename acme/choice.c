/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/choice.h"

#define PATIENCE_FAILURES 3
#define PATIENCE_SECONDS  (6 * 3600)
#define PAUSE_LEAST       3600
#define NEVER             INT64_MAX

static int64_t patience_with(const struct choice_facts *facts)
{
    return facts->remaining / 8 < PATIENCE_SECONDS ? facts->remaining / 8 : PATIENCE_SECONDS;
}

/* From when it is time to turn to the other one: an outage of some minutes is no reason, and one
 * failure is, when this CA may not be asked again before the patience with it is over. */
static int64_t given_up_at(const struct choice_ca *ca, const struct choice_facts *facts)
{
    int64_t patience = patience_with(facts);
    if (ca->curable == 0)
        return NEVER;
    if (facts->emergency)
        return facts->now;
    bool waits = ca->due > facts->now;
    return ca->curable >= PATIENCE_FAILURES || waits ? ca->failing_since + patience : NEVER;
}

/* Not before this is the other one asked. */
static int64_t turn_at(const struct choice_ca *here, const struct choice_ca *there,
                       const struct choice_facts *facts)
{
    int64_t given_up = given_up_at(here, facts);
    if (!facts->two || facts->stay)
        return NEVER;
    if (facts->emergency && here->due > facts->now)
        given_up = facts->now;
    if (given_up == NEVER)
        return NEVER;
    /* Between two that both fail, each turn costs an order, if not a certificate. */
    int64_t pause = patience_with(facts) > PAUSE_LEAST ? patience_with(facts) : PAUSE_LEAST;
    if (facts->spent && there->curable > 0 && there->failed_at + pause > given_up)
        given_up = there->failed_at + pause;
    return there->due > given_up ? there->due : given_up;
}

struct choice choice_make(const struct choice_facts *facts)
{
    bool second = facts->two && facts->open && facts->open_second;
    const struct choice_ca *here = second ? &facts->second : &facts->first;
    const struct choice_ca *there = second ? &facts->first : &facts->second;
    bool here_due = here->due <= facts->now;
    int64_t turn = turn_at(here, there, facts);
    /* When both fail, each is tried when it is due, and an order stays where it is if it can. */
    if (here_due && (turn > facts->now || given_up_at(there, facts) <= facts->now))
        return (struct choice){.second = second};
    if (turn <= facts->now)
        return (struct choice){.second = !second};
    return turn < here->due ? (struct choice){.second = !second, .until = (time_t)turn}
                            : (struct choice){.second = second, .until = here->due};
}
