/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/settle.h"

#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "base/translate.h"
#include "firewall/inspect.h"
#include "firewall/login.h"
#include "firewall/process.h"
#include "firewall/timer.h"

/* Rolling back must not wait for ever for somebody with the lock who does not end. */
#define LOCK_WAIT_MS 5000
#define LOCK_POLL_MS 100

/* From the copy of the rules to the wait for a login: ufw may take long on a slow server. */
#define ASKED_WAIT_MS 60000

/* From the copy back to the kernel: ufw's own scripts may hang, and are ended after two minutes. */
#define RESTORE_WAIT_MS 180000

/* A second Ctrl-C kills, and a terminal that is closed may hang up twice; not in the middle of
 * this: ufw empties its chains before it opens the policies. */
static const int held[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
#define HELD (sizeof held / sizeof *held)

static bool restore_undisturbed(const struct transaction *t, struct fault *f)
{
    struct sigaction before[HELD], ignore = {.sa_handler = SIG_IGN};
    for (size_t i = 0; i < HELD; i++)
        sigaction(held[i], &ignore, &before[i]);
    bool ok = transaction_restore(t, f);
    for (size_t i = 0; i < HELD; i++)
        sigaction(held[i], &before[i], NULL);
    return ok;
}

/* The timer stays until it has nothing left to do. */
enum firewall_outcome settle_restore(const struct transaction *t, struct findings *all)
{
    struct fault f;
    if (restore_undisturbed(t, &f)) {
        timer_disarm();
        finding_add(all, SEVERITY_WARN, "firewall.restored", "the former firewall rules are back");
        return FIREWALL_RESTORED;
    }
    size_t i = finding_add(all, SEVERITY_FAIL, "firewall.restore",
                           "the former firewall rules could not be restored: %s", f.text);
    finding_fix(all, i,
                "ufw --force disable opens the server again; then: cp -a %s/ufw/. /etc/ufw && "
                "cp -a %s/default /etc/default/ufw",
                t->dir, t->dir);
    return FIREWALL_BROKEN;
}

bool firewall_pending(const struct firewall_options *o)
{
    struct transaction t;
    transaction_init(&t, o);
    bool pending = transaction_pending(&t);
    transaction_free(&t);
    return pending;
}

static bool lock_within(struct transaction *t, int64_t wait_ms, struct fault *f)
{
    bool busy;
    int64_t end = clock_mono_ms() + wait_ms;
    struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};
    while (!transaction_lock(t, &busy, f)) {
        if (!busy || clock_mono_ms() >= end)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

/* Is what the cut-off run left as it should be? Only firewall.ok is worth telling. */
static bool holds(const struct firewall_options *o, struct findings *all)
{
    struct firewall_state state;
    struct findings found = {0};
    bool ok = inspect_read(o, &state, NULL, &found) && firewall_verify(o, &state, &found);
    if (ok)
        findings_move(all, &found);
    firewall_state_free(&state);
    findings_free(&found);
    return ok;
}

/* Keeps the change of a run that is no more, if it is as it should be. */
static enum firewall_outcome keep_or_restore(const struct firewall_options *o,
                                             struct transaction *t, bool confirmed,
                                             struct findings *all)
{
    if (!transaction_pending(t)) /* it has come to its end meanwhile */
        return FIREWALL_UNCHANGED;
    if (!confirmed || !holds(o, all) || !transaction_commit(t, NULL))
        return settle_restore(t, all);
    timer_disarm();
    return FIREWALL_CHANGED;
}

static enum firewall_outcome busy(const char *why, struct findings *all)
{
    size_t i = finding_add(all, SEVERITY_FAIL, "firewall.busy", "%s", why);
    finding_fix(all, i, "wait until the other run has ended, or: derp-setup rollback");
    return FIREWALL_REFUSED;
}

/* --- A later run --------------------------------------------------------------------------------
 */

/* Where a new login was wanted: is there one, ours or another? */
static bool is_confirmed(const struct marker *m)
{
    struct endpoint from;
    if (!m->wants_login)
        return true;
    return m->since > 0 &&
           (login_here(m->since, m->pid, &from) == LOGIN_NEW || login_seen(m->since, &from));
}

enum firewall_outcome firewall_settle(const struct firewall_options *o, struct findings *all)
{
    struct transaction t;
    struct marker m;
    struct fault f;
    enum firewall_outcome outcome = FIREWALL_UNCHANGED;
    transaction_init(&t, o);
    if (transaction_marker(&t, &m))
        outcome = lock_within(&t, 0, &f) ? keep_or_restore(o, &t, is_confirmed(&m), all)
                                         : busy(f.text, all);
    transaction_free(&t);
    return outcome;
}

/* --- derp-setup confirm -------------------------------------------------------------------------
 */

static bool is_allowed(const struct marker *m, struct findings *all)
{
    static const char *const reasons[] = {
        [LOGIN_OLD] = N_("this login, or the connection that it uses, is older than the change"),
        [LOGIN_LOCAL] = N_("this login comes from the server itself, which no rule keeps out"),
        [LOGIN_UNSURE] = N_("it cannot be told when the connection of this login began"),
    };
    char text[ENDPOINT_TEXT];
    struct endpoint from;
    if (m->since == 0) {
        size_t i = finding_add(all, SEVERITY_FAIL, "firewall.login",
                               "the run that made the change was cut off before it was proven");
        finding_fix(all, i, "derp-setup rollback, or run the setup again");
        return false;
    }
    enum login_here here = login_here(m->since, m->pid, &from);
    if (here != LOGIN_NEW) {
        size_t i =
            finding_add(all, SEVERITY_FAIL, "firewall.login",
                        "this does not show that a new login is possible: %s", reasons[here]);
        finding_fix(all, i,
                    "log in anew from another host, in a second terminal (ssh -o "
                    "ControlPath=none …), and call derp-setup confirm there");
        return false;
    }
    if (from.any.sa_family != AF_UNSPEC)
        finding_add(all, SEVERITY_OK, "firewall.confirmed", "confirmed by this login from %s",
                    endpoint_print_ip(&from, text));
    return true;
}

/* Waits until the run is ready to be told, has ended, or takes too long. */
static bool wait_until_asked(struct transaction *t, struct marker *m)
{
    struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};
    int64_t end = clock_mono_ms() + ASKED_WAIT_MS;
    while (transaction_marker(t, m) && m->since == 0 && clock_mono_ms() < end) {
        if (lock_within(t, 0, NULL))
            return true;
        nanosleep(&pause, NULL);
    }
    return m->since > 0 && transaction_pending(t);
}

/* Tells the run that waits; true when it has heard and has come to its end. */
static bool tell(struct transaction *t, enum transaction_answer answer)
{
    bool ended = transaction_say(t, answer, NULL) && lock_within(t, LOCK_WAIT_MS, NULL) &&
                 !transaction_pending(t);
    return transaction_hear(t) == ANSWER_NONE && ended;
}

static enum firewall_outcome confirm(const struct firewall_options *o, struct transaction *t,
                                     bool *by_run, struct findings *all)
{
    struct marker m;
    *by_run = false;
    if (!transaction_marker(t, &m))
        return FIREWALL_UNCHANGED;
    if (!lock_within(t, 0, NULL) && !wait_until_asked(t, &m))
        return transaction_pending(t) ? busy("the run that makes the change does not answer", all)
                                      : FIREWALL_UNCHANGED;
    if (m.wants_login && !is_allowed(&m, all))
        return FIREWALL_REFUSED;
    if (t->lock_fd >= 0) /* the run is no more */
        return keep_or_restore(o, t, true, all);
    *by_run = true;
    if (tell(t, ANSWER_CONFIRM))
        return FIREWALL_CHANGED;
    if (transaction_pending(t))
        return busy("the run that makes the change does not answer", all);
    /* It has come to its end before it could hear: it may have seen this very login itself. */
    return holds(o, all) ? FIREWALL_CHANGED : FIREWALL_RESTORED;
}

enum firewall_outcome firewall_confirm(const struct firewall_options *o, bool *by_run,
                                       struct findings *all)
{
    struct transaction t;
    transaction_init(&t, o);
    enum firewall_outcome outcome = confirm(o, &t, by_run, all);
    transaction_free(&t);
    return outcome;
}

/* --- derp-setup rollback, and the timer ---------------------------------------------------------
 */

static bool is_frozen(const struct marker *m)
{
    struct process p;
    return process_read(m->pid, &p) && (p.state == 'T' || p.state == 't');
}

/* Who restores already is not to be killed in the middle of that; whether it has done it. */
static bool is_restored_by_another(struct transaction *t)
{
    struct marker m;
    bool seen = false;
    int64_t end = clock_mono_ms() + RESTORE_WAIT_MS;
    while (t->lock_fd < 0 && transaction_marker(t, &m) && m.restoring && !is_frozen(&m) &&
           clock_mono_ms() < end) {
        seen = true;
        lock_within(t, LOCK_POLL_MS, NULL);
    }
    return seen && !transaction_pending(t);
}

/*
 * The lock, and nobody else at work. A run that waits for a login is asked to undo its change. One
 * that is overtaken in the middle of it (it hangs, or was stopped with Ctrl-Z) must not go on with
 * its steps on the former files afterwards: it ends, and its children with it (base/run.h).
 * Returns whether the change was undone by the run.
 */
static bool take_over(struct transaction *t)
{
    struct marker m;
    if (lock_within(t, 0, NULL) || !transaction_marker(t, &m))
        return false;
    if (m.since > 0 && !m.restoring && !is_frozen(&m) && tell(t, ANSWER_UNDO))
        return true;
    if (is_restored_by_another(t))
        return true;
    if (t->lock_fd >= 0 || !transaction_pending(t))
        return false;
    process_signal(m.pid, m.started, SIGKILL);
    lock_within(t, LOCK_WAIT_MS, NULL);
    return false;
}

enum firewall_outcome firewall_rollback(const struct firewall_options *o, bool *by_run,
                                        struct findings *all)
{
    struct transaction t;
    enum firewall_outcome outcome = FIREWALL_UNCHANGED;
    transaction_init(&t, o);
    bool pending = transaction_pending(&t), undone = pending && take_over(&t);
    *by_run = pending && !transaction_pending(&t); /* that has come to its end, kept or undone */
    if (undone) {
        finding_add(all, SEVERITY_WARN, "firewall.restored", "the former firewall rules are back");
        outcome = FIREWALL_RESTORED;
    } else if (pending && !*by_run) {
        outcome = settle_restore(&t, all);
    }
    transaction_free(&t);
    return outcome;
}

const char *firewall_outcome_name(enum firewall_outcome outcome)
{
    static const char *const names[] = {"unchanged", "changed",     "unavailable", "refused",
                                        "restored",  "interrupted", "broken"};
    return names[outcome];
}
