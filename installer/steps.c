/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/translate.h"
#include "installer/ask.h"
#include "installer/caarecords.h"
#include "installer/certificate.h"
#include "installer/choose.h"
#include "installer/configfile.h"
#include "installer/firewallstep.h"
#include "installer/noname.h"
#include "installer/outside.h"
#include "installer/preflight.h"
#include "installer/proof.h"
#include "installer/service.h"
#include "installer/stop.h"

#define PLAN_LINE 8192

/* One thing that may have to be changed. In this order: nothing is open before the firewall is
 * right, the relay answers the CA's question, and the timer finishes what the CA did not. */
struct step {
    const char *name;
    bool (*is_needed)(const struct setup *s);
    void (*describe)(const struct setup *s, struct buf *text); /* its line of the plan */
    enum setup_exit (*run)(struct setup *s);
};

static const struct step steps[] = {
    {N_("firewall"), firewallstep_is_needed, firewallstep_describe, firewallstep_run},
    {N_("config"), configfile_is_needed, configfile_describe, configfile_run},
    {N_("service"), service_is_needed, service_describe, service_run},
    {N_("certificate"), certificate_is_needed, certificate_describe, certificate_run},
    {N_("timer"), service_timer_is_needed, service_timer_describe, service_timer_run},
};
#define STEP_COUNT (sizeof steps / sizeof *steps)

/* --- Plan --------------------------------------------------------------------------------------
 */

static bool nothing_to_do(const struct setup *s)
{
    for (size_t i = 0; i < STEP_COUNT; i++)
        if (steps[i].is_needed(s))
            return false;
    return true;
}

/* Of a first run: what nobody may have thought of. */
static void show_choices(struct setup *s)
{
    const struct config *c = &s->desired.config;
    if (c->allow_count == 0)
        report_item(&s->report, "clients",
                    "ANYONE on the internet who learns the relay's name may use it; --clients= "
                    "restricts it");
    if (c->uplink == 0)
        report_item(&s->report, "uplink",
                    "no limit; on a line with a purchased rate --uplink=RATE lets packets wait in "
                    "the relay, small ones first, instead of in the provider's queue");
}

static void show_plan(struct setup *s)
{
    report_title(&s->report, "Plan");
    for (size_t i = 0; i < STEP_COUNT; i++) {
        struct buf line;
        if (!steps[i].is_needed(s))
            continue;
        buf_init(&line, PLAN_LINE);
        steps[i].describe(s, &line);
        report_item(&s->report, steps[i].name, "%s", buf_text(&line));
        buf_free(&line);
    }
    for (size_t i = 0; s->use_firewall && i < s->firewall_plan.count; i++)
        report_detail(&s->report, "%s", s->firewall_plan.steps[i].text);
    if (!s->old_text)
        show_choices(s);
    if (s->desired.domain_changed)
        report_item(&s->report, "note",
                    "this relay was %s until now: clients with its old "
                    "name will lose it",
                    s->desired.old_domain);
}

/* EXIT_DONE: go on. */
static enum setup_exit agree(struct setup *s)
{
    if (s->opt->yes)
        return EXIT_DONE;
    if (ask_yes(&s->report, "Proceed? [y/N]"))
        return stop_wanted() ? EXIT_INTERRUPTED : EXIT_DONE;
    if (stop_wanted())
        return EXIT_INTERRUPTED;
    report_always(&s->report, "Nothing was changed.");
    return EXIT_UNEXPECTED;
}

/* --- Changes -----------------------------------------------------------------------------------
 */

static enum setup_exit run_step(struct setup *s, const struct step *step)
{
    journal_mark(&s->journal, step->name, JOURNAL_STARTED);
    if (!setup_save(s))
        return EXIT_UNEXPECTED;
    enum setup_exit code = step->run(s);
    if (code == EXIT_DONE)
        journal_mark(&s->journal, step->name, JOURNAL_DONE);
    if (!setup_save(s) && code == EXIT_DONE)
        code = EXIT_UNEXPECTED;
    return code;
}

static enum setup_exit change(struct setup *s)
{
    report_title(&s->report, "Setting up");
    for (size_t i = 0; i < STEP_COUNT; i++) {
        if (stop_wanted())
            return EXIT_INTERRUPTED;
        if (!steps[i].is_needed(s))
            continue;
        enum setup_exit code = run_step(s, &steps[i]);
        if (code != EXIT_DONE)
            return stop_wanted() ? EXIT_INTERRUPTED : code;
    }
    return EXIT_DONE;
}

/* --- The end -----------------------------------------------------------------------------------
 */

static void hint_at_cloud(struct setup *s)
{
    struct findings found = {0};
    outside_console(&s->desired.config, whereabouts_cloud(), SEVERITY_WARN, &found);
    report_findings(&s->report, &found);
}

static void print_map(struct setup *s)
{
    char *map = setup_derpmap(s, MAP_TAILSCALE);
    long seconds = (long)((clock_mono_ms() - s->report.started_ms) / 1000);
    if (s->changed && seconds >= 60)
        report_line(&s->report, "Done in %ld min %ld s.", seconds / 60, seconds % 60);
    else if (s->changed)
        report_line(&s->report, "Done in %ld s.", seconds);
    else
        report_always(&s->report, "Everything is as it should be; nothing was changed.");
    report_line(&s->report, "Paste this into the tailnet policy file, then run `tailscale "
                            "netcheck` on a client:");
    if (map && !s->opt->json)
        fputs(map, stdout);
    fflush(stdout);
    free(map);
}

static enum setup_exit finish(struct setup *s)
{
    report_title(&s->report, "Proof");
    enum setup_exit code = proof_run(s);
    if (code != EXIT_DONE)
        return code;
    hint_at_cloud(s);
    if (s->desired.config.source == CONFIG_SOURCE_ACME &&
        !desired_has_no_domain(&s->desired.config) &&
        (s->certificate_issued || s->desired.accounts_changed))
        caarecords_show(s);
    if (!s->opt->quiet)
        fputc('\n', s->report.err);
    print_map(s);
    return EXIT_DONE;
}

enum setup_exit steps_run(struct setup *s)
{
    enum setup_exit code = choose_missing(s);
    if (code == EXIT_DONE)
        code = noname_prepare(s);
    if (code != EXIT_DONE)
        return code;
    setup_load(s);
    service_look(s);
    if (!s->opt->dry_run) {
        code = firewallstep_settle(s);
        if (code != EXIT_DONE)
            return code;
    }
    code = preflight_run(s);
    if (code != EXIT_DONE)
        return code;
    bool idle = nothing_to_do(s);
    if (!idle)
        show_plan(s);
    if (s->opt->dry_run) {
        report_always(&s->report, idle ? "Nothing would be changed."
                                       : "This was a dry run: nothing was changed.");
        return EXIT_DONE;
    }
    if (!idle) {
        code = agree(s);
        if (code == EXIT_DONE)
            code = change(s);
        if (code != EXIT_DONE) {
            if (code == EXIT_CERTIFICATE)
                hint_at_cloud(s);
            return code;
        }
    }
    /* The addresses of the map may be news although nothing else is. */
    if (!setup_save(s))
        return EXIT_UNEXPECTED;
    return finish(s);
}
