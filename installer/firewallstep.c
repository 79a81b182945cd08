/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/firewallstep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/translate.h"
#include "installer/progress.h"

bool firewallstep_is_needed(const struct setup *s)
{
    return s->use_firewall && s->firewall_plan.count > 0;
}

void firewallstep_describe(const struct setup *s, struct buf *text)
{
    buf_puts(text, s->firewall_plan.summary);
}

enum setup_exit firewallstep_exit(enum firewall_outcome outcome)
{
    switch (outcome) {
    case FIREWALL_UNCHANGED:
    case FIREWALL_CHANGED:
        return EXIT_DONE;
    case FIREWALL_UNAVAILABLE:
        return EXIT_PREFLIGHT;
    case FIREWALL_INTERRUPTED:
        return EXIT_INTERRUPTED;
    case FIREWALL_REFUSED:
    case FIREWALL_RESTORED:
    case FIREWALL_BROKEN:
        break;
    }
    return EXIT_FIREWALL;
}

void firewallstep_close(struct setup *s, enum firewall_outcome outcome)
{
    bool kept = outcome == FIREWALL_UNCHANGED || outcome == FIREWALL_CHANGED;
    if (outcome != FIREWALL_BROKEN)
        journal_end(&s->journal, !kept);
    /* One that cannot be read has still more to undo, and stays for whoever mends it. */
    if (!s->journal_broken)
        setup_save(s);
}

static bool on_change(void *arg, const struct firewall_change *c, struct fault *f)
{
    struct setup *s = arg;
    journal_add(&s->journal, c->what, c->detail, c->undo);
    if (!setup_save(s))
        return fault_set(f, "the journal could not be written");
    if (strcmp(c->what, "forward") == 0) /* what was, and no change */
        return true;
    report_change(&s->report, "%s", c->detail);
    s->changed = true;
    return true;
}

static void on_progress(void *arg, const char *text)
{
    struct setup *s = arg;
    report_on_line(&s->report, text);
}

/* --- Waiting for a new login --------------------------------------------------------------------
 */

/* The port of the login that this program runs in, or else the first. */
static unsigned login_port(const struct firewall_state *state)
{
    for (size_t i = 0; i < state->ssh_count; i++)
        if (state->ssh[i].sources & (FIREWALL_SSH_CONNECTION | FIREWALL_SSH_ENVIRONMENT))
            return state->ssh[i].port;
    return state->ssh_count ? state->ssh[0].port : 22;
}

/* "ssh -p 2222 bob@203.0.113.10". The address is the one that this login came to, if that is
 * known: it need not be the public one. */
static void login_command(const struct setup *s, char *text, size_t cap)
{
    const char *user = getenv("SUDO_USER");
    const struct address_set *own = &s->own.public.ip4;
    char address[ENDPOINT_TEXT] = "", *copy = mem_strdup(getenv("SSH_CONNECTION") ?: "");
    char *rest = copy, *field = NULL;
    for (int i = 0; i < 3 && rest; i++)
        field = strsep(&rest, " ");
    struct endpoint e;
    if (field && endpoint_parse_ip(field, &e))
        endpoint_print_ip(&e, address);
    else if (own->count)
        endpoint_print_ip(&own->list[0], address);
    snprintf(text, cap, "ssh -p %u %s@%s", login_port(&s->firewall_state),
             user && *user ? user : "root", *address ? address : "this-server");
    free(copy);
}

static void print_left(unsigned left, char text[static 100])
{
    translate_print(text, 100, "waiting for a new login, %u:%02u left", left / 60, left % 60);
}

/* On a terminal each second; elsewhere each half minute, so that a log stays one. */
static void on_waiting(void *arg, unsigned left)
{
    struct setup *s = arg;
    char text[100], command[200];
    if (!s->told_to_log_in) {
        s->told_to_log_in = true;
        login_command(s, command, sizeof command);
        report_end(&s->report);
        report_always(&s->report,
                      "The firewall is at work, and undone in %u:%02u unless somebody logs in "
                      "anew. In a SECOND terminal:  %s",
                      left / 60, left % 60, command);
        report_always(&s->report,
                      "If this does not go on by itself then, call there: %sderp-setup "
                      "confirm",
                      getenv("SUDO_USER") ? "sudo " : "");
        print_left(left, text);
        report_begin(&s->report, "firewall", text);
    } else if (s->report.progress) {
        print_left(left, text);
        char *shown = translate_text(text);
        progress_say(s->report.progress, shown);
        free(shown);
    } else if (left % 30 == 0) {
        print_left(left, text);
        report_progress(&s->report, text);
    }
}

enum setup_exit firewallstep_run(struct setup *s)
{
    struct firewall_hooks hooks = {
        .progress = on_progress,
        .journal = on_change,
        .waiting = on_waiting,
        .arg = s,
    };
    struct findings found = {0};
    journal_begin(&s->journal);
    if (!setup_save(s))
        return EXIT_UNEXPECTED;
    report_begin(&s->report, "firewall", s->firewall_plan.summary);
    enum firewall_outcome outcome = firewall_apply(&s->firewall, &s->firewall_plan, &hooks, &found);
    report_end(&s->report);
    report_findings(&s->report, &found);
    firewallstep_close(s, outcome);
    return firewallstep_exit(outcome);
}

enum setup_exit firewallstep_settle(struct setup *s)
{
    struct findings found = {0};
    if (!firewall_pending(&s->firewall)) {
        journal_end(&s->journal, false);
        return EXIT_DONE;
    }
    report_title(&s->report, "An earlier run was cut off while it changed the firewall");
    enum firewall_outcome outcome = firewall_settle(&s->firewall, &found);
    report_findings(&s->report, &found);
    firewallstep_close(s, outcome);
    /* Restored is settled, too: this run starts from the former rules. */
    return outcome == FIREWALL_RESTORED ? EXIT_DONE : firewallstep_exit(outcome);
}
