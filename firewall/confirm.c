/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/confirm.h"

#include <time.h>

#include "base/clock.h"
#include "firewall/login.h"
#include "firewall/process.h"
#include "firewall/reach.h"

#define TIMEOUT 180 /* seconds */
#define POLL_MS 250
#define LOOK_MS 500 /* reading all sockets and processes takes some milliseconds */

/* --- Is it wanted? ------------------------------------------------------------------------------
 */

/* Rules that are added lock nobody out; packets that are dropped from now on may. */
static bool can_lock_out(const struct firewall_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->steps[i].kind == FIREWALL_STEP_ENABLE ||
            plan->steps[i].kind == FIREWALL_STEP_DEFAULT)
            return true;
    return false;
}

static bool is_restricted(const struct firewall_state *state)
{
    for (int family = 0; family < FAMILIES; family++)
        for (size_t i = 0; i < state->ssh_count; i++) {
            struct wanted w = {.kind = WANTED_SSH,
                               .at = {.proto = PORTS_TCP, .port = state->ssh[i].port}};
            if ((family == FAMILY_IP4 || state->facts->ufw.ipv6) &&
                reach_by_ufw(state->facts, (enum family)family, &w).reach == REACH_RESTRICTED)
                return true;
        }
    return false;
}

bool confirm_is_wanted(const struct firewall_options *o, const struct firewall_state *state,
                       const struct firewall_plan *plan)
{
    if (!can_lock_out(plan))
        return false;
    switch (o->confirm) {
    case FIREWALL_CONFIRM_NEVER:
        break;
    case FIREWALL_CONFIRM_RESTRICTED:
        return is_restricted(state);
    case FIREWALL_CONFIRM_SESSION:
        return state->ssh_session;
    case FIREWALL_CONFIRM_ALWAYS:
        return true;
    }
    return false;
}

unsigned confirm_timeout(const struct firewall_options *o)
{
    return o->confirm_timeout ? o->confirm_timeout : TIMEOUT;
}

/* --- Waiting ------------------------------------------------------------------------------------
 */

struct wait {
    const struct firewall_options *o;
    const struct transaction *t;
    uint64_t since;
    int64_t end_ms;
    int64_t look_ms; /* the next look at logins */
    unsigned told;   /* seconds left when it was told last */
};

static void tell(struct wait *w, const struct firewall_hooks *hooks, int64_t now)
{
    unsigned left = (unsigned)((w->end_ms - now + 999) / 1000);
    if (!hooks || !hooks->waiting || left == w->told)
        return;
    w->told = left;
    hooks->waiting(hooks->arg, left);
}

static bool has_login(struct wait *w, int64_t now, struct findings *all)
{
    char text[ENDPOINT_TEXT];
    struct endpoint from;
    if (now < w->look_ms)
        return false;
    w->look_ms = now + LOOK_MS;
    if (!login_seen(w->since, &from))
        return false;
    finding_add(all, SEVERITY_OK, "firewall.confirmed", "confirmed by a new login from %s",
                endpoint_print_ip(&from, text));
    return true;
}

/* ANSWER_NONE: go on waiting. */
static enum transaction_answer look(struct wait *w, int64_t now, struct findings *all)
{
    enum transaction_answer answer = transaction_hear(w->t);
    if (answer == ANSWER_CONFIRM)
        finding_add(all, SEVERITY_OK, "firewall.confirmed", "confirmed by derp-setup confirm");
    if (answer != ANSWER_NONE)
        return answer;
    if ((w->o->stop && *w->o->stop) || !transaction_pending(w->t))
        return ANSWER_UNDO;
    if (has_login(w, now, all))
        return ANSWER_CONFIRM;
    if (now < w->end_ms)
        return ANSWER_NONE;
    size_t i =
        finding_add(all, SEVERITY_FAIL, "firewall.unconfirmed",
                    "nobody has logged in anew over SSH within %u seconds", confirm_timeout(w->o));
    finding_fix(all, i,
                "if that failed, find out why before you run it again; otherwise have a second "
                "terminal at hand, or trust the proof by rules alone: --confirm-timeout=0");
    return ANSWER_UNDO;
}

bool confirm_await(const struct firewall_options *o, const struct transaction *t,
                   const struct firewall_hooks *hooks, struct findings *all)
{
    struct fault f;
    struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    struct wait w = {.o = o, .t = t, .since = process_now()};
    int64_t now = clock_mono_ms();
    w.end_ms = now + (int64_t)confirm_timeout(o) * 1000;
    if (!transaction_wait(t, w.since, &f)) {
        size_t i = finding_add(all, SEVERITY_FAIL, "firewall.apply", "%s", f.text);
        finding_fix(all, i, "make room on the disk, then run again");
        return false;
    }
    enum transaction_answer answer;
    while ((answer = look(&w, now, all)) == ANSWER_NONE) {
        tell(&w, hooks, now);
        nanosleep(&pause, NULL);
        now = clock_mono_ms();
    }
    return answer == ANSWER_CONFIRM;
}
