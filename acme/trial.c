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

bool trial_passes(const struct session *s, const struct facts *facts, struct failure *fail)
{
    const struct authority staging = authority_staging(s->config);
    /* Our own checks are the CA's that is asked in the end: they go by its account and its CAA. */
    struct session t = {.config = s->config, .store = s->store, .trial = true, .preflighted = true};
    struct failure why = {0};
    if (!called_for(s, facts, &staging))
        return true;
    log_info("validations have failed repeatedly; a trial first: %s", staging.directory);
    bool ok = session_use(&t, &staging, &why) && order_rehearse(&t, &why);
    session_hang_up(&t);
    state_free(&t.state);
    if (ok) {
        log_info("the trial has worked");
        return true;
    }
    if (why.class != FAILURE_REACHABILITY) {
        log_warning("the trial could not be made: %s", why.text);
        return true;
    }
    return failure_set(fail, FAILURE_REACHABILITY,
                       "a trial at %s failed, so the CA itself was not asked: %s",
                       staging.directory, why.text);
}
