/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/translate.h"
#include "firewall/apt.h"
#include "firewall/confirm.h"
#include "firewall/foreign.h"
#include "firewall/inspect.h"
#include "firewall/kernel.h"
#include "firewall/report.h"
#include "firewall/settle.h"
#include "firewall/systemd.h"
#include "firewall/timer.h"
#include "firewall/transaction.h"
#include "firewall/ufw.h"
#include "firewall/verify.h"

/* Seconds; a run that waits for a login undoes the change itself, the timer comes later. */
#define ROLLBACK_AFTER      180
#define ROLLBACK_AFTER_WAIT 60

/* One run of firewall_apply. */
struct job {
    const struct firewall_options *o;
    const struct firewall_hooks *hooks;
    struct findings *all;
    struct transaction t;
    bool wants_login;            /* the change has to be confirmed by a new one */
    struct firewall_state state; /* before the change, read again here */
    struct firewall_plan fresh;  /* made again once ufw has been installed */
    char *packages;              /* that come with ufw, itself included */
    bool keeps_files; /* those of an earlier ufw, removed and not purged: their owner's */
};

static bool is_stopped(const struct job *job)
{
    return job->o->stop && *job->o->stop;
}

static void progress(const struct job *job, const char *text)
{
    if (job->hooks && job->hooks->progress)
        job->hooks->progress(job->hooks->arg, text);
}

static bool fail(struct job *job, const char *id, const char *what, const char *fix)
{
    size_t i = finding_add(job->all, SEVERITY_FAIL, id, "%s", what);
    finding_fix(job->all, i, "%s", fix);
    return false;
}

/* --- Journal -------------------------------------------------------------------------------------
 */

static char *join(char *const words[])
{
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; words[i]; i++) {
        bool quote = strchr(words[i], ' ') != NULL;
        buf_printf(&b, "%s%s%s%s", i ? " " : "", quote ? "'" : "", words[i], quote ? "'" : "");
    }
    char *text = mem_strdup(buf_text(&b));
    buf_free(&b);
    return text;
}

/* The command that takes a step back. */
static char *undo_of(const struct job *job, const struct firewall_step *step)
{
    const struct ufw_facts *ufw = &job->state.facts->ufw;
    switch (step->kind) {
    case FIREWALL_STEP_INSTALL:
        return mem_printf("%s %s", job->keeps_files ? APT_REMOVE : APT_PURGE, job->packages);
    case FIREWALL_STEP_ALLOW:
        return mem_printf("ufw delete allow %s", step->argv[2]);
    case FIREWALL_STEP_DEFAULT:
        return mem_printf(
            "ufw default %s %s",
            ufw_policy_name(strcmp(step->argv[3], "incoming") == 0 ? ufw->incoming : ufw->outgoing),
            step->argv[3]);
    case FIREWALL_STEP_ENABLE:
        return mem_strdup("ufw --force disable");
    case FIREWALL_STEP_BOOT:
        return mem_strdup("systemctl disable ufw.service");
    }
    return mem_strdup("");
}

/* Takes both texts. */
static bool tell_journal(struct job *job, const char *what, char *detail, char *undo)
{
    struct fault f;
    struct firewall_change change = {.what = what, .detail = detail, .undo = undo};
    bool ok = job->hooks->journal(job->hooks->arg, &change, &f);
    free(detail);
    free(undo);
    return ok || fail(job, "firewall.apply", f.text, "make room on the disk, then run again");
}

/* ufw opens FORWARD when it goes off, also where somebody else had closed it: Docker, say. */
static bool journal_forward(struct job *job)
{
    bool ok = true;
    if (job->state.ufw_active) /* who closed it before cannot be seen */
        return true;
    for (int i = 0; i < FAMILIES && ok; i++) {
        enum family family = (enum family)i;
        if (ufw_found_forward_closed(&job->state.facts->kernel[i]))
            ok = tell_journal(job, "forward", mem_printf("FORWARD %s", family_name(family)),
                              mem_printf("%s -P FORWARD DROP", kernel_program(family)));
    }
    return ok;
}

static bool journal(struct job *job, const struct firewall_step *step)
{
    static const char *const kinds[] = {"package", "rule", "default", "enable", "boot"};
    if (!job->hooks || !job->hooks->journal)
        return true;
    return (step->kind != FIREWALL_STEP_ENABLE || journal_forward(job)) &&
           tell_journal(job, kinds[step->kind], join(step->argv), undo_of(job, step));
}

/* --- Steps
 * ----------------------------------------------------------------------------------------- */

/* The timer, or a rollback from elsewhere, has undone the change meanwhile. */
static bool is_overtaken(const struct job *job)
{
    return !transaction_pending(&job->t);
}

static bool run_step(struct job *job, const struct firewall_step *step)
{
    struct fault f;
    char what[700];
    if (is_stopped(job) || is_overtaken(job) || !journal(job, step))
        return false;
    progress(job, step->text);
    if (ufw_run((const char *const *)step->argv, job->o->stop, &f))
        return true;
    if (is_stopped(job) || is_overtaken(job))
        return false;
    translate_print(what, sizeof what, "\"%s\" failed: %s", step->text, f.text);
    return fail(job, "firewall.apply", what, "see the message; then run again");
}

static bool run_steps(struct job *job, const struct firewall_plan *plan,
                      enum firewall_step_kind from, enum firewall_step_kind to)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct firewall_step *step = &plan->steps[i];
        if (step->kind >= from && step->kind <= to && !run_step(job, step))
            return false;
    }
    return true;
}

static bool has_step(const struct firewall_plan *plan, enum firewall_step_kind kind)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->steps[i].kind == kind)
            return true;
    return false;
}

/* Reads everything again and proves it by files (before enabling) or by the kernel (after); no
 * other firewall, of nftables say, may have come meanwhile. */
static bool prove(struct job *job, bool by_files)
{
    struct firewall_state now;
    bool ok = inspect_read(job->o, &now, NULL, job->all) && !foreign_check(now.facts, job->all);
    if (ok)
        ok = by_files ? verify_files(job->o, &now, job->all)
                      : firewall_verify(job->o, &now, job->all);
    firewall_state_free(&now);
    return ok;
}

static bool arm(struct job *job)
{
    struct fault f;
    unsigned after =
        job->wants_login ? confirm_timeout(job->o) + ROLLBACK_AFTER_WAIT : ROLLBACK_AFTER;
    if (job->o->unguarded || timer_arm(job->o->rollback, after, &f))
        return true;
    return fail(job, "firewall.timer", f.text, "systemctl status " TIMER_UNIT ".timer");
}

/* With ENABLED=yes ufw takes itself to be loaded, and no rule can be added when it is not. */
static bool make_ready(struct job *job)
{
    struct fault f;
    return job->state.ufw_active || !job->state.facts->ufw.enabled || ufw_write_disabled(&f) ||
           fail(job, "firewall.apply", f.text, "see the message; then run again");
}

static bool change(struct job *job, const struct firewall_plan *plan)
{
    bool starts = has_step(plan, FIREWALL_STEP_ENABLE);
    if (!make_ready(job) || !run_steps(job, plan, FIREWALL_STEP_ALLOW, FIREWALL_STEP_DEFAULT))
        return false;
    if (starts && (is_stopped(job) || !prove(job, true)))
        return false;
    /* Up to here only files have changed: what counts has the whole time. */
    if (!job->state.ufw_active && !arm(job))
        return false;
    if (!run_steps(job, plan, FIREWALL_STEP_ENABLE, FIREWALL_STEP_BOOT) || is_stopped(job))
        return false;
    progress(job, "read back ufw and the kernel's rules");
    return prove(job, false);
}

/* --- Outcomes ------------------------------------------------------------------------------------
 */

static enum firewall_outcome roll_back(struct job *job)
{
    bool stopped = is_stopped(job);
    if (is_overtaken(job)) {
        finding_add(job->all, SEVERITY_WARN, "firewall.restored",
                    "the change took so long that it was undone from elsewhere: by the timer, or "
                    "by derp-setup rollback");
        return FIREWALL_RESTORED;
    }
    progress(job, "restore the former rules");
    enum firewall_outcome outcome = settle_restore(&job->t, job->all);
    return stopped && outcome == FIREWALL_RESTORED ? FIREWALL_INTERRUPTED : outcome;
}

static enum firewall_outcome transact(struct job *job, const struct firewall_plan *plan)
{
    struct fault f;
    if (is_stopped(job))
        return FIREWALL_INTERRUPTED;
    progress(job, "keep a copy of the former rules");
    job->wants_login = confirm_is_wanted(job->o, &job->state, plan);
    /* Before the marker: without one it does nothing, and one without it would lie until the next
     * boot, and undo then what the owner has done in between. */
    if (!arm(job))
        return FIREWALL_REFUSED;
    if (!transaction_begin(&job->t, &job->state, job->wants_login, &f)) {
        transaction_forget(&job->t, NULL);
        timer_disarm();
        fail(job, "firewall.apply", f.text, "make room on the disk, then run again");
        return FIREWALL_REFUSED;
    }
    if (!change(job, plan) ||
        (job->wants_login && !confirm_await(job->o, &job->t, job->hooks, job->all)) ||
        is_overtaken(job))
        return roll_back(job);
    /* Likewise: a confirmed change must not be left with a marker and no timer. */
    if (transaction_commit(&job->t, &f)) {
        timer_disarm();
        return FIREWALL_CHANGED;
    }
    fail(job, "firewall.apply", f.text, "make room on the disk, then run again");
    return roll_back(job);
}

/* --- Before the change
 * ----------------------------------------------------------------------------- */

static void apt_line(void *arg, const char *line)
{
    progress(arg, line);
}

/* One that was removed and not purged comes back with ENABLED=yes and its former rules, and would
 * be at work from the next boot on: it is for this run to enable it, if it comes that far. */
static void hold_back(void)
{
    struct ufw_facts settings = {0};
    if (systemd_enabled(UFW_UNIT) && ufw_read_settings(&settings, NULL) && settings.enabled)
        systemd_disable(UFW_UNIT, false, NULL);
}

/* Installs ufw and looks again: its own defaults and rules count from here on. */
static enum firewall_outcome install(struct job *job, const struct firewall_plan *plan)
{
    size_t first = job->all->count;
    progress(job, plan->steps[0].text);
    if (!apt_prepare(job->state.facts->apt_update, job->o->stop, &job->packages, job->all))
        return is_stopped(job) ? FIREWALL_INTERRUPTED : FIREWALL_UNAVAILABLE;
    job->keeps_files = apt_has_left_files(job->o->stop);
    if (!journal(job, &plan->steps[0]))
        return FIREWALL_REFUSED;
    bool installed = apt_install(job->o->stop, apt_line, job, job->all);
    hold_back();
    if (!installed) /* some of it may be there by now */
        return is_stopped(job) ? FIREWALL_INTERRUPTED : FIREWALL_REFUSED;
    firewall_state_free(&job->state);
    if (!firewall_inspect(job->o, &job->state, job->all))
        return is_stopped(job) ? FIREWALL_INTERRUPTED : FIREWALL_REFUSED;
    for (size_t i = first; i < job->all->count; i++)
        if (job->all->list[i].severity == SEVERITY_FAIL)
            return FIREWALL_REFUSED;
    firewall_plan(job->o, &job->state, &job->fresh);
    return FIREWALL_CHANGED;
}

static enum firewall_outcome prepare(struct job *job)
{
    struct fault f;
    bool busy;
    if (!transaction_lock(&job->t, &busy, &f)) {
        fail(job, busy ? "firewall.busy" : "firewall.apply", f.text,
             busy ? "wait until the other run has ended" : "run as root");
        return FIREWALL_REFUSED;
    }
    if (transaction_pending(&job->t)) {
        fail(job, "firewall.pending", "an earlier firewall change is not settled",
             "derp-setup rollback; then run again");
        return FIREWALL_REFUSED;
    }
    if (!inspect_read(job->o, &job->state, NULL, job->all))
        return is_stopped(job) ? FIREWALL_INTERRUPTED : FIREWALL_REFUSED;
    if (job->state.ssh_session && job->state.ssh_count == 0) {
        fail(job, "firewall.ssh.unknown", "somebody is logged in over SSH by an unknown port",
             "name the port: --ssh-port=PORT");
        return FIREWALL_REFUSED;
    }
    return report_guards(job->o, job->state.facts, job->all) ? FIREWALL_CHANGED : FIREWALL_REFUSED;
}

enum firewall_outcome firewall_apply(const struct firewall_options *o,
                                     const struct firewall_plan *plan,
                                     const struct firewall_hooks *hooks, struct findings *all)
{
    struct job job = {.o = o, .hooks = hooks, .all = all};
    transaction_init(&job.t, o);
    enum firewall_outcome outcome = prepare(&job);
    if (outcome == FIREWALL_CHANGED && plan->count == 0)
        outcome = firewall_verify(o, &job.state, all) ? FIREWALL_UNCHANGED : FIREWALL_REFUSED;
    else if (outcome == FIREWALL_CHANGED && has_step(plan, FIREWALL_STEP_INSTALL)) {
        outcome = install(&job, plan);
        plan = &job.fresh;
    }
    if (outcome == FIREWALL_CHANGED)
        outcome = transact(&job, plan);
    free(job.packages);
    firewall_plan_free(&job.fresh);
    firewall_state_free(&job.state);
    transaction_free(&job.t);
    return outcome;
}
