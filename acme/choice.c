/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/choice.h"

#define PATIENCE_FAILURES 3
#define PATIENCE_SECONDS  (6 * 3600)

/* Time to turn to the other one? An outage of some minutes is no reason. */
static bool given_up(const struct choice_ca *ca, const struct choice_facts *facts)
{
    int64_t patience =
        facts->remaining / 8 < PATIENCE_SECONDS ? facts->remaining / 8 : PATIENCE_SECONDS;
    if (facts->emergency)
        return ca->curable > 0;
    return ca->curable >= PATIENCE_FAILURES && facts->now - ca->failing_since >= patience;
}

struct choice choice_make(const struct choice_facts *facts)
{
    bool second = facts->two && facts->open && facts->open_second;
    const struct choice_ca *here = second ? &facts->second : &facts->first;
    const struct choice_ca *there = second ? &facts->first : &facts->second;
    bool here_due = here->due <= facts->now, there_due = there->due <= facts->now;
    bool turn = facts->two && !facts->stay && there_due &&
                (given_up(here, facts) || (facts->emergency && !here_due));
    /* When both fail, each is tried when it is due, and an order stays where it is if it can. */
    if (turn && given_up(there, facts) && here_due)
        turn = false;
    if (turn)
        return (struct choice){.second = !second};
    time_t until = here_due ? 0 : here->due;
    if (until && facts->two && !facts->stay && given_up(here, facts) && there->due < until)
        return (struct choice){.second = !second, .until = there->due};
    return (struct choice){.second = second, .until = until};
}
