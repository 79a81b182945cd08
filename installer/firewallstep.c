/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/firewallstep.h"

#include <string.h>

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
    setup_save(s);
}

static bool on_change(void *arg, const struct firewall_change *c, struct fault *f)
{
    struct setup *s = arg;
    journal_add(&s->journal, c->what, c->detail, c->undo);
    if (!setup_save(s))
        return fault_set(f, "the journal could not be written");
    report_change(&s->report, "%s", c->detail);
    s->changed = true;
    return true;
}

static void on_progress(void *arg, const char *text)
{
    struct setup *s = arg;
    report_on_line(&s->report, text);
}

enum setup_exit firewallstep_run(struct setup *s)
{
    struct firewall_hooks hooks = {
        .progress = on_progress,
        .journal = on_change,
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
