/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/verbs.h"

#include <stdio.h>
#include <stdlib.h>

#include "installer/certificate.h"
#include "installer/firewallstep.h"
#include "installer/preflight.h"
#include "installer/service.h"
#include "installer/stop.h"
#include "installer/undo.h"

enum setup_exit verb_check(struct setup *s)
{
    setup_load(s);
    service_look(s);
    enum setup_exit code = preflight_run(s);
    if (code == EXIT_DONE)
        report_always(&s->report, "Nothing stands in the way of `derp-setup %s`.", s->opt->domain);
    return code;
}

/* A config that can be worked with; says so when there is none. */
static enum setup_exit need_config(struct setup *s)
{
    if (!setup_load(s))
        return EXIT_UNEXPECTED;
    if (s->old_text && s->desired.config.domain)
        return EXIT_DONE;
    report_found(&s->report, SEVERITY_FAIL, "setup.missing", "derp-setup DOMAIN",
                 "this server was not set up as a relay yet");
    return EXIT_PREFLIGHT;
}

enum setup_exit verb_map(struct setup *s)
{
    enum setup_exit code = need_config(s);
    if (code != EXIT_DONE || s->opt->json)
        return code;
    char *map = setup_derpmap(s, s->opt->format);
    fputs(map, stdout);
    free(map);
    return EXIT_DONE;
}

enum setup_exit verb_renew(struct setup *s)
{
    enum setup_exit code = need_config(s);
    if (code != EXIT_DONE)
        return code;
    if (s->desired.config.source != CONFIG_SOURCE_ACME) {
        report_found(&s->report, SEVERITY_SKIP, "certificate.skipped", NULL,
                     "the certificate does not come from a CA by ACME (source in %s)", CONFIG_PATH);
        return EXIT_DONE;
    }
    return certificate_ask(s, s->opt->force ? "renew" : "issue");
}

static bool is_pending(struct setup *s)
{
    setup_load(s);
    if (firewall_pending(&s->firewall))
        return true;
    report_always(&s->report, "No firewall change is pending; nothing was changed.");
    return false;
}

/* A run that has settled its own change keeps the journal, too: ours is older by now. */
static enum setup_exit settled(struct setup *s, enum firewall_outcome outcome, bool by_run,
                               struct findings *found)
{
    report_findings(&s->report, found);
    if (!by_run)
        firewallstep_close(s, outcome);
    s->changed = true;
    report_change(&s->report, "firewall %s", firewall_outcome_name(outcome));
    return outcome == FIREWALL_RESTORED ? EXIT_DONE : firewallstep_exit(outcome);
}

enum setup_exit verb_confirm(struct setup *s)
{
    struct findings found = {0};
    if (!is_pending(s))
        return EXIT_DONE;
    bool by_run;
    enum firewall_outcome outcome = firewall_confirm(&s->firewall, &by_run, &found);
    if (outcome == FIREWALL_REFUSED) {
        report_findings(&s->report, &found);
        return firewallstep_exit(outcome);
    }
    enum setup_exit code = settled(s, outcome, by_run, &found);
    /* Asked to keep it, but it does not let in what it should: it was taken back. */
    return outcome == FIREWALL_RESTORED ? EXIT_FIREWALL : code;
}

enum setup_exit verb_rollback(struct setup *s)
{
    struct findings found = {0};
    if (!is_pending(s))
        return EXIT_DONE;
    bool by_run;
    enum firewall_outcome outcome = firewall_rollback(&s->firewall, &by_run, &found);
    return settled(s, outcome, by_run, &found);
}

enum setup_exit verb_uninstall(struct setup *s)
{
    setup_load(s);
    enum setup_exit code = firewallstep_settle(s);
    return code == EXIT_DONE ? undo_run(s) : code;
}
