/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "acme/attempts.h"
#include "acme/budget.h"
#include "acme/caa.h"
#include "acme/event.h"
#include "acme/facts.h"
#include "acme/install.h"
#include "acme/order.h"
#include "acme/renewal.h"
#include "acme/report.h"
#include "acme/revoke.h"
#include "acme/rollover.h"
#include "acme/schedule.h"
#include "acme/session.h"
#include "acme/standby.h"
#include "acme/trial.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define BUSY_MOST  (2 * 3600) /* no run takes so long (budget.h) */
#define SEEN_EVERY (6 * 3600) /* how old the note of the time of day may become */

/* What a run goes by. */
struct plan {
    struct authority list[AUTHORITY_MAX];
    size_t count;
    enum facts_wish wish;
    bool seen; /* what is installed has been read, and nothing was installed since */
    struct facts facts;
};

static void look_around(const struct session *s, struct plan *p)
{
    if (!p->seen)
        facts_read(s->config, &s->store, &p->facts);
    p->seen = true;
    facts_judge(s->config, &s->state, p->wish, &p->facts);
}

/* --- What is due ------------------------------------------------------------------------------ */

static bool asked_to_wait(const struct session *s, time_t now)
{
    for (size_t i = 0; i < STATE_CAS; i++) {
        if (s->state.cas[i].directory && attempts_next_try(&s->state.cas[i], now) > now)
            return true;
    }
    return false;
}

static void say_nothing_to_do(const struct session *s, const struct schedule_facts *facts,
                              enum schedule_answer answer)
{
    char first[CLOCK_TEXT], second[CLOCK_TEXT];
    if (answer == SCHEDULE_WAIT && s->state.class == FAILURE_NONE)
        log_notice("nothing to do before %s: %s; `derp-acme issue` tries at once",
                   clock_print(facts->next_try, first),
                   asked_to_wait(s, facts->now)
                       ? "the CA has asked to come later"
                       : "the CA has given five certificates in a short time, and may refuse "
                         "another");
    else if (answer == SCHEDULE_WAIT)
        log_notice("nothing to do before %s: the last try failed (%s: %s); "
                   "`derp-acme issue` tries at once",
                   clock_print(facts->next_try, first), failure_name(s->state.class),
                   s->state.problem ? s->state.problem : "");
    else
        log_info("nothing to do: the certificate is valid until %s and renewed from %s",
                 clock_print(facts->not_after, first), clock_print(schedule_due_at(facts), second));
}

/* --- Trying ----------------------------------------------------------------------------------- */

/* Notes a failure and when to try again, and says both. */
static enum job_exit failed(struct session *s, const struct plan *p, const struct failure *fail)
{
    char when[CLOCK_TEXT];
    struct failure why;
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random = 0;
    attempts_failed(&s->state, s->ca->directory, fail, clock_wall(), p->facts.left, random);
    failure_log(fail, failure_name(fail->class));
    if (!session_save(s, &why))
        failure_log(&why, failure_name(why.class));
    event_tell(s, &p->facts, told_failure(&s->state, clock_wall()));
    if (fail->class != FAILURE_CLOCK) /* whose times mean nothing */
        log_notice("next try at %s", clock_print(s->state.next_try, when));
    return JOB_FAILED;
}

/* The CA to turn to: the one of an order that is past asking, or the chosen one. */
static const struct authority *chosen(const struct session *s, const struct plan *p)
{
    if (s->state.phase >= PHASE_INSTALLING)
        return authority_find(p->list, p->count, s->state.directory);
    return &p->list[p->facts.choice.second];
}

static bool attempt(struct session *s, const struct authority *ca, const struct facts *facts,
                    struct failure *fail)
{
    s->emergency = facts->emergency;
    s->renewing = facts->remaining != 0 || s->state.issued_at != 0;
    if (s->ca != ca)
        s->preflighted = false; /* CAA records may permit another CA, and not this one */
    if (s->state.phase != PHASE_IDLE && strcmp(s->state.directory, ca->directory) != 0) {
        /* Not for one that does not even answer. */
        if (!session_use(s, ca, fail) || !client_directory(&s->client, fail))
            return false;
        log_warning("the order at %s is given up; turning to %s", s->state.directory,
                    ca->directory);
        if (!order_give_up(s, fail))
            return false;
    }
    return session_use(s, ca, fail) && trial_passes(s, facts, fail) && order_drive(s, fail);
}

/* At the chosen CA, and in an emergency at the other one as well. */
static enum job_exit try_all(struct session *s, struct plan *p, enum schedule_answer answer)
{
    struct failure fail = {0};
    for (size_t i = 0; i < p->count; i++) {
        const struct authority *ca = chosen(s, p);
        if (s->state.phase == PHASE_IDLE)
            s->state.suggested = answer == SCHEDULE_ARI;
        p->seen = false;
        if (attempt(s, ca, &p->facts, &fail))
            return JOB_CHANGED;
        failed(s, p, &fail);
        p->wish = FACTS_TIMER;
        look_around(s, p);
        if (!p->facts.emergency || p->facts.choice.until || chosen(s, p) == ca || session_late(s))
            break;
        log_warning("trying the other CA: %s", chosen(s, p)->directory);
    }
    return JOB_FAILED;
}

/* --- The clock -------------------------------------------------------------------------------- */

/* What the CAs say of our clock: one that agrees or contradicts by its Date ends it. An answer
 * without a Date is no evidence; *heard tells that there was one. */
static bool confirmed(struct session *s, const struct plan *p, bool *heard, struct failure *why)
{
    *heard = false;
    failure_set(why, FAILURE_PROTOCOL, "it sends no Date");
    for (size_t i = 0; i < p->count; i++) {
        struct failure fail = {0};
        if (session_use(s, &p->list[i], &fail) && client_directory(&s->client, &fail)) {
            *heard = true;
            if (s->client.dated)
                return true;
            continue;
        }
        *why = fail;
        if (fail.class == FAILURE_CLOCK) {
            *heard = false;
            return false;
        }
    }
    return false;
}

/* A clock that has gone back may be the one that is right now: a CA's Date tells. One that never
 * tells the time must not keep us from it for ever: when a certificate is needed, it is asked. */
static bool ask_the_cas(struct session *s, const struct plan *p, struct failure *fail)
{
    char now[CLOCK_TEXT], seen[CLOCK_TEXT];
    struct failure why;
    if (!session_save(s, fail)) /* nor could the answer be noted: each run would ask */
        return false;
    bool heard, dated = confirmed(s, p, &heard, &why);
    if (dated || (heard && p->facts.emergency)) {
        log_notice("the clock has gone back from %s; %s", clock_print(s->state.last_seen, seen),
                   dated ? "the CA agrees with it"
                         : "no CA tells the time, but a certificate is needed now");
        s->state.last_seen = clock_wall();
        return session_save(s, fail);
    }
    s->ca = p->list;
    failure_set(fail, FAILURE_CLOCK,
                "this server's clock says %s, but it was %s here already, and the CA does not "
                "confirm the new time (%s); set the clock (timedatectl set-ntp true)",
                clock_print(clock_wall(), now), clock_print(s->state.last_seen, seen), why.text);
    fail->retry_after = why.retry_after;
    return false;
}

static bool clock_fine(struct session *s, const struct plan *p, struct failure *fail)
{
    char now[CLOCK_TEXT], build[CLOCK_TEXT];
    switch (schedule_clock(clock_wall(), clock_build(), s->state.last_seen)) {
    case SCHEDULE_CLOCK_FINE:
        return true;
    case SCHEDULE_CLOCK_BACK:
        return ask_the_cas(s, p, fail);
    case SCHEDULE_CLOCK_WRONG:
        break;
    }
    return failure_set(fail, FAILURE_CLOCK,
                       "this server's clock says %s, but this program was built at %s; set the "
                       "clock (timedatectl set-ntp true)",
                       clock_print(clock_wall(), now), clock_print(clock_build(), build));
}

/* A clock that is known to be wrong is not looked at each minute, nor the CA asked about it. */
static bool clock_waits(const struct session *s, const struct plan *p)
{
    time_t now = clock_wall();
    return p->wish == FACTS_TIMER && s->state.class == FAILURE_CLOCK &&
           schedule_clock(now, clock_build(), s->state.last_seen) != SCHEDULE_CLOCK_FINE &&
           attempts_next_try(attempts_find(&s->state, s->ca->directory), now) > now;
}

/* --- The verbs -------------------------------------------------------------------------------- */

static enum facts_wish wish_of(enum job_verb verb)
{
    return verb == JOB_RUN ? FACTS_TIMER : verb == JOB_RENEW ? FACTS_FORCED : FACTS_AT_ONCE;
}

/* The CA's suggestion for what is installed now, and readiness for what may come. */
static void look_ahead(struct session *s, struct plan *p)
{
    p->wish = FACTS_TIMER;
    look_around(s, p);
    renewal_look(s, p->list, p->count, &p->facts);
    look_around(s, p);
    if (p->count > 1 && !p->facts.emergency && s->state.phase == PHASE_IDLE && !session_late(s))
        standby_ready(s, &p->list[1], &p->facts);
}

/* Once in a while it is noted that the clock goes on. */
static void note_time(struct session *s)
{
    struct failure ignored;
    if (clock_wall() - s->state.last_seen > SEEN_EVERY)
        session_save(s, &ignored);
}

/* What is to be known outside: the end of the certificate, if it comes near, and the numbers. */
static void tell(struct session *s, struct plan *p)
{
    struct buf text;
    struct fault why;
    p->wish = FACTS_TIMER;
    look_around(s, p);
    /* By a clock that is wrong everything has expired. */
    if (s->state.class != FAILURE_CLOCK)
        event_tell(s, &p->facts, told_expiring(&s->state, &p->facts.schedule));
    buf_init(&text, REPORT_BYTES_MAX);
    report_print_metrics(&s->state, &p->facts, &text);
    if (!store_save_metrics(&s->store, &text, &why))
        log_debug("%s", why.text);
    buf_free(&text);
}

static enum job_exit certify(struct session *s, struct plan *p)
{
    struct failure fail = {0};
    enum job_exit untouched = install_repair(s, &p->facts.on_disk) ? JOB_CHANGED : JOB_NOTHING;
    p->seen = true;
    if (clock_waits(s, p)) {
        log_info("nothing to do: the clock is still wrong");
        return untouched;
    }
    look_around(s, p);
    if (!clock_fine(s, p, &fail) ||
        !order_reconcile(s, p->list, p->count, p->wish != FACTS_TIMER, &fail))
        return failed(s, p, &fail);
    if (attempts_forgive_clock(&s->state, clock_wall()) && !session_save(s, &fail))
        log_debug("%s", fail.text);
    look_around(s, p);
    enum schedule_answer answer = schedule_decide(&p->facts.schedule);
    /* A window may have moved since it was asked for. A CA that gave no answer then need not give
     * one now; and what is due anyway needs no suggestion. */
    if (answer == SCHEDULE_GOOD || (answer == SCHEDULE_ARI && s->state.ari.failures == 0)) {
        renewal_look(s, p->list, p->count, &p->facts);
        look_around(s, p);
        answer = schedule_decide(&p->facts.schedule);
    }
    if (answer == SCHEDULE_GOOD || answer == SCHEDULE_WAIT) {
        say_nothing_to_do(s, &p->facts.schedule, answer);
        if (answer == SCHEDULE_GOOD)
            look_ahead(s, p);
        note_time(s);
        return untouched;
    }
    bool missing = answer == SCHEDULE_MISSING;
    log_info("%s%s%s (%s, %s)", schedule_words(answer), missing ? ": " : "",
             missing ? p->facts.installed.why.text : "", s->config->domain,
             chosen(s, p)->directory);
    s->replaces =
        p->facts.installed.cert_id[0] && p->facts.remaining > 0 ? p->facts.installed.cert_id : NULL;
    /* A disk that takes nothing would let every run begin anew: no request before this. One that
     * takes this and no more is seen by the attempts that have no end. */
    if (!attempts_begin(&s->state, p->wish == FACTS_TIMER, clock_wall())) {
        log_notice("nothing done: the last runs could not note how they ended; is the disk full?");
        return untouched;
    }
    if (!session_save(s, &fail))
        return failed(s, p, &fail);
    enum job_exit code = try_all(s, p, answer);
    if (s->changed) {
        look_ahead(s, p);
        told_renewed(&s->state);
        event_tell(s, &p->facts, EVENT_RENEWED);
    }
    return code;
}

static enum job_exit take_back(struct session *s, const struct plan *p)
{
    struct failure fail = {0};
    bool already;
    const char *by = s->state.issued_by;
    const struct authority *ca = by ? authority_find(p->list, p->count, by) : s->ca;
    if (!ca)
        failure_set(&fail, FAILURE_CONFIGURATION,
                    "the installed certificate is from %s, and no other CA can revoke it: set "
                    "directory in [acme] to it, revoke, and set it back",
                    by);
    else if (session_use(s, ca, &fail) && revoke(s, &already, &fail))
        return already ? JOB_NOTHING : JOB_CHANGED;
    failure_log(&fail, failure_name(fail.class));
    return JOB_FAILED;
}

/* An order that waits for a validation is bound to the key. */
static bool may_roll_over(const struct session *s, const struct authority *ca, struct failure *fail)
{
    if (s->state.phase != PHASE_AUTHORIZING || !text_same(s->state.directory, ca->directory))
        return true;
    return failure_set(
        fail, FAILURE_CONFIGURATION,
        "an order is being validated with the account's key; end it first: derp-acme "
        "issue");
}

static enum job_exit roll_over(struct session *s, const struct plan *p)
{
    enum job_exit code = JOB_CHANGED;
    for (size_t i = 0; i < p->count; i++) {
        struct failure fail = {0};
        if (may_roll_over(s, &p->list[i], &fail) && session_use(s, &p->list[i], &fail) &&
            rollover(s, &fail))
            continue;
        failure_log(&fail, failure_name(fail.class));
        code = JOB_FAILED;
    }
    return code;
}

static enum job_exit show_caa(struct session *s, const struct plan *p, bool json)
{
    struct caa caa;
    bool ok = caa_gather(s, p->list, p->count, &caa);
    if (json) {
        char *text = caa_json(&caa);
        puts(text);
        free(text);
    } else {
        caa_print(&caa, stdout);
    }
    caa_free(&caa);
    return ok ? JOB_CHANGED : JOB_FAILED;
}

static enum job_exit work(struct session *s, struct plan *p, enum job_verb verb)
{
    switch (verb) {
    case JOB_REVOKE:
        return take_back(s, p);
    case JOB_ROLLOVER:
        return roll_over(s, p);
    case JOB_CAA:
    case JOB_CAA_JSON:
        return show_caa(s, p, verb == JOB_CAA_JSON);
    default:
        return certify(s, p);
    }
}

/* --- Around it -------------------------------------------------------------------------------- */

/* A run takes minutes. One that was stopped (Ctrl-Z) holds up each of the timer's. */
static void say_busy(const struct session *s)
{
    char since[CLOCK_TEXT];
    time_t at = store_locked_at(&s->store);
    if (at == 0 || clock_wall() - at < BUSY_MOST)
        log_notice("another derp-acme is at work on %s", s->config->cert_dir);
    else
        log_warning(
            "another derp-acme is at work on %s since %s, and nothing is renewed meanwhile; is "
            "it stopped? ps -C derp-acme shows it",
            s->config->cert_dir, clock_print(at, since));
}

static bool begin(struct session *s, enum job_verb verb, enum job_exit *code)
{
    struct fault why;
    bool busy;
    *code = JOB_FAILED;
    if (!store_open(&s->store, s->config->cert_dir, &busy, &why)) {
        if (busy) {
            say_busy(s);
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
    struct plan p = {.wish = wish_of(verb)};
    struct session s = {.config = config,
                        .ca = p.list,
                        .store.lock = -1,
                        .deadline_ms = clock_mono_ms() + BUDGET_MS};
    enum job_exit code;
    p.count = authority_list(config, p.list);
    if (begin(&s, verb, &code)) {
        code = work(&s, &p, verb);
        if (verb <= JOB_REVOKE)
            tell(&s, &p);
    }
    session_hang_up(&s);
    state_free(&s.state);
    store_close(&s.store);
    return code;
}
