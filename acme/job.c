/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/job.h"

#include <string.h>
#include <sys/random.h>

#include "acme/facts.h"
#include "acme/install.h"
#include "acme/order.h"
#include "acme/revoke.h"
#include "acme/schedule.h"
#include "acme/session.h"
#include "base/clock.h"
#include "base/log.h"

/* --- What is due ------------------------------------------------------------------------------ */

static void say_nothing_to_do(const struct session *s, const struct schedule_facts *facts,
                              enum schedule_answer answer)
{
    char first[CLOCK_TEXT], second[CLOCK_TEXT];
    if (answer == SCHEDULE_WAIT)
        log_notice("nothing to do before %s: the last try failed (%s: %s); "
                   "`derp-acme issue` tries at once",
                   clock_print(facts->next_try, first), failure_name(s->state.class),
                   s->state.problem ? s->state.problem : "");
    else
        log_info("nothing to do: the certificate is valid until %s and renewed from %s",
                 clock_print(facts->not_after, first),
                 clock_print(schedule_renew_at(facts->not_before, facts->not_after), second));
}

/* --- What came of it -------------------------------------------------------------------------- */

/* Notes a failure and when to try again, and says both. */
static enum job_exit failed(struct session *s, const struct schedule_facts *facts,
                            const struct failure *fail)
{
    char when[CLOCK_TEXT];
    struct failure why;
    uint32_t random = 0;
    struct state *state = &s->state;
    time_t now = clock_wall();
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random = 0;
    state->failures = state->class == fail->class ? state->failures + 1 : 1;
    state->class = fail->class;
    state->failed_at = now;
    state->next_try =
        now + schedule_delay(fail->class, state->failures,
                             facts->usable ? facts->not_after - now : 0, fail->retry_after, random);
    state_set(&state->problem_type, fail->type[0] ? fail->type : NULL);
    state_set(&state->problem, fail->text);

    failure_log(fail, failure_name(fail->class));
    if (!session_save(s, &why))
        failure_log(&why, failure_name(why.class));
    log_notice("next try at %s", clock_print(state->next_try, when));
    return JOB_FAILED;
}

static bool drive(struct session *s, struct failure *fail)
{
    return client_open(&s->client, s->ca->directory, s->ca->ca_file, fail) && order_drive(s, fail);
}

static enum job_exit certify(struct session *s, enum job_verb verb)
{
    struct failure fail = {0};
    struct facts facts;
    if (!order_reconcile(s, &fail)) {
        failure_log(&fail, failure_name(fail.class));
        return JOB_FAILED;
    }
    enum job_exit untouched = install_repair(s) ? JOB_CHANGED : JOB_NOTHING;
    facts_gather(s->config, &s->store, &s->state, &facts);
    facts.schedule.forced = verb == JOB_RENEW;
    facts.schedule.at_once = verb != JOB_RUN;
    enum schedule_answer answer = schedule_decide(&facts.schedule);
    if (answer == SCHEDULE_GOOD || answer == SCHEDULE_WAIT) {
        say_nothing_to_do(s, &facts.schedule, answer);
        return untouched;
    }
    bool missing = answer == SCHEDULE_MISSING;
    log_info("%s%s%s (%s, %s)", schedule_words(answer), missing ? ": " : "",
             missing ? facts.installed.why.text : "", s->config->domain, s->config->acme_directory);
    return drive(s, &fail) ? JOB_CHANGED : failed(s, &facts.schedule, &fail);
}

static enum job_exit take_back(struct session *s)
{
    struct failure fail = {0};
    bool already;
    if (client_open(&s->client, s->ca->directory, s->ca->ca_file, &fail) &&
        revoke(s, &already, &fail))
        return already ? JOB_NOTHING : JOB_CHANGED;
    failure_log(&fail, failure_name(fail.class));
    return JOB_FAILED;
}

/* --- Around it -------------------------------------------------------------------------------- */

static bool clock_possible(void)
{
    char now[CLOCK_TEXT], build[CLOCK_TEXT];
    if (clock_wall() >= clock_build())
        return true;
    log_error("this server's clock says %s, but this program was built at %s; set the clock "
              "(timedatectl set-ntp true)",
              clock_print(clock_wall(), now), clock_print(clock_build(), build));
    return false;
}

static bool begin(struct session *s, enum job_verb verb, enum job_exit *code)
{
    struct fault why;
    bool busy;
    *code = JOB_FAILED;
    if (!store_open(&s->store, s->config->cert_dir, &busy, &why)) {
        if (busy) {
            log_notice("another derp-acme is at work on %s", s->config->cert_dir);
            *code = verb == JOB_RUN ? JOB_NOTHING : JOB_FAILED;
        } else {
            log_error("%s", why.text);
        }
        return false;
    }
    if (store_load_state(&s->store, &s->state, &why))
        return true;
    log_error("%s", why.text);
    return false;
}

enum job_exit job(const struct config *config, enum job_verb verb)
{
    struct authority list[AUTHORITY_MAX];
    struct session s = {.config = config, .ca = list, .store.lock = -1};
    enum job_exit code;
    if (!clock_possible())
        return JOB_FAILED;
    authority_list(config, list);
    if (begin(&s, verb, &code))
        code = verb == JOB_REVOKE ? take_back(&s) : certify(&s, verb);
    client_close(&s.client);
    EVP_PKEY_free(s.account_key);
    state_free(&s.state);
    store_close(&s.store);
    return code;
}
