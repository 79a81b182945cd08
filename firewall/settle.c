/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/settle.h"

#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "firewall/inspect.h"
#include "firewall/process.h"
#include "firewall/timer.h"

/* Rolling back must not wait for ever for somebody with the lock who does not end. */
#define LOCK_WAIT_MS 5000
#define LOCK_POLL_MS 100

enum firewall_outcome settle_restore(const struct transaction *t, struct findings *all)
{
    struct fault f;
    timer_disarm();
    if (transaction_restore(t, &f)) {
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

enum firewall_outcome firewall_settle(const struct firewall_options *o, struct findings *all)
{
    struct transaction t;
    struct fault f;
    enum firewall_outcome outcome = FIREWALL_UNCHANGED;
    transaction_init(&t, o);
    if (transaction_pending(&t)) {
        if (!lock_within(&t, 0, &f)) {
            finding_add(all, SEVERITY_FAIL, "firewall.busy", "%s", f.text);
            outcome = FIREWALL_REFUSED;
        } else if (holds(o, all) && transaction_commit(&t, NULL)) {
            timer_disarm();
            outcome = FIREWALL_CHANGED;
        } else {
            outcome = settle_restore(&t, all);
        }
    }
    transaction_free(&t);
    return outcome;
}

/*
 * The lock, and nobody else at work. A run that makes a change and is overtaken by the rollback
 * (it hangs, or was stopped with Ctrl-Z) must not go on with its steps on the former files
 * afterwards: it ends, and its children with it (base/run.h).
 */
static void take_over(struct transaction *t)
{
    struct marker m;
    if (lock_within(t, 0, NULL))
        return;
    if (transaction_marker(t, &m))
        process_signal(m.pid, m.started, SIGKILL);
    lock_within(t, LOCK_WAIT_MS, NULL);
}

enum firewall_outcome firewall_rollback(const struct firewall_options *o, struct findings *all)
{
    struct transaction t;
    enum firewall_outcome outcome = FIREWALL_UNCHANGED;
    transaction_init(&t, o);
    if (transaction_pending(&t)) {
        take_over(&t);
        /* The run may have come to its end in the last moment. */
        if (transaction_pending(&t))
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
