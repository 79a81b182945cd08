/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/trial.h"

#include <string.h>

#include "acme/attempts.h"
#include "acme/order.h"
#include "base/log.h"

static bool called_for(const struct session *s, const struct facts *facts,
                       const struct authority *staging)
{
    const struct ca_record *r = attempts_find(&s->state, s->ca->directory);
    return r && r->failures[FAILURE_REACHABILITY] >= TRIAL_AFTER && !facts->emergency &&
           s->state.phase <= PHASE_ORDERING &&
           strcmp(s->ca->directory, s->config->acme_directory) == 0 && staging->directory &&
           strcmp(staging->directory, s->ca->directory) != 0 &&
           s->config->challenge != CONFIG_CHALLENGE_DNS_01;
}

/* It has failed for other reasons than our reachability: staging is asked again when its own next
 * try is due. */
static void put_off(struct session *s, const struct authority *staging, const struct facts *facts,
                    const struct failure *why)
{
    struct failure ignored;
    log_warning("the trial could not be made: %s", why->text);
    attempts_put_off(&s->state, staging->directory, why, facts->schedule.now, facts->left);
    if (!session_save(s, &ignored))
        log_warning("%s", ignored.text);
}

bool trial_passes(struct session *s, const struct facts *facts, struct failure *fail)
{
    const struct authority staging = authority_staging(s->config);
    /* Our own checks are the CA's that is asked in the end: they go by its account and its CAA. */
    struct session t = {.config = s->config,
                        .store = s->store,
                        .deadline_ms = s->deadline_ms,
                        .trial = true,
                        .preflighted = true};
    struct failure why = {0};
    time_t now = facts->schedule.now;
    if (!called_for(s, facts, &staging))
        return true;
    if (attempts_next_try(attempts_find(&s->state, staging.directory), now) > now) {
        log_info("validations have failed repeatedly; no trial: %s is to be asked later",
                 staging.directory);
        return true;
    }
    log_info("validations have failed repeatedly; a trial first: %s", staging.directory);
    bool ok = session_use(&t, &staging, &why) && order_rehearse(&t, &why);
    session_hang_up(&t);
    state_free(&t.state);
    if (ok)
        log_info("the trial has worked");
    else if (why.class != FAILURE_REACHABILITY)
        put_off(s, &staging, facts, &why);
    else
        return failure_set(fail, FAILURE_REACHABILITY,
                           "a trial at %s failed, so the CA itself was not asked: %s",
                           staging.directory, why.text);
    return true;
}
