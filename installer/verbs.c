/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/selfsigned.h"
#include "installer/certificate.h"
#include "installer/firewallstep.h"
#include "installer/leaf.h"
#include "installer/noname.h"
#include "installer/preflight.h"
#include "installer/service.h"
#include "installer/stop.h"
#include "installer/undo.h"

enum setup_exit verb_check(struct setup *s)
{
    bool named = s->opt->domain[0] != '\0';
    enum setup_exit code = noname_prepare(s);
    if (code != EXIT_DONE)
        return code;
    setup_load(s);
    service_look(s);
    code = preflight_run(s);
    if (code == EXIT_DONE)
        report_always(&s->report, "Nothing stands in the way of `derp-setup %s`.",
                      named ? s->opt->domain : "--ip");
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

/* A certificate of its own: is its fingerprint about to change? EXIT_PREFLIGHT when --next asks for
 * what is not there. */
static enum setup_exit look_at_pin(struct setup *s)
{
    const struct config *c = &s->desired.config;
    struct findings found = {0};
    struct leaf leaf, next;
    if (!leaf_load_next(c, &next)) {
        if (!s->opt->next)
            return EXIT_DONE;
        report_found(&s->report, SEVERITY_FAIL, "certificate.next",
                     "derp-setup map prints the map that is right now",
                     "there is no next fingerprint: only a certificate of its own has one, in the "
                     "last year before its end");
        return EXIT_PREFLIGHT;
    }
    if (!s->opt->next && leaf_load(c, &leaf, NULL))
        noname_judge(&leaf, &next, clock_wall(), &found);
    report_findings(&s->report, &found);
    return EXIT_DONE;
}

/* A map of a certificate of its own is none without the fingerprint. */
static enum setup_exit need_pin(struct setup *s)
{
    const struct config *c = &s->desired.config;
    struct leaf leaf;
    struct fault f;
    if (c->source != CONFIG_SOURCE_SELF_SIGNED || s->opt->next || leaf_load(c, &leaf, &f))
        return EXIT_DONE;
    report_found(&s->report, SEVERITY_FAIL, "certificate.missing",
                 "systemctl restart derpd makes one; then paste the new map",
                 "there is no map without the certificate's fingerprint: %s", f.text);
    return EXIT_CERTIFICATE;
}

enum setup_exit verb_map(struct setup *s)
{
    enum setup_exit code = need_config(s);
    if (code == EXIT_DONE)
        code = need_pin(s);
    if (code == EXIT_DONE)
        code = look_at_pin(s);
    if (code != EXIT_DONE || s->opt->json)
        return code;
    char *map = setup_derpmap(s, s->opt->format);
    fputs(map, stdout);
    free(map);
    return EXIT_DONE;
}

/* The moment at which the fingerprint changes may be chosen by whoever pastes the map. */
static enum setup_exit renew_own(struct setup *s)
{
    const struct config *c = &s->desired.config;
    struct leaf next;
    if (!leaf_load_next(c, &next)) {
        report_found(&s->report, SEVERITY_SKIP, "certificate.skipped", NULL,
                     "derpd makes its own certificate, and the next one a year before the end");
        return EXIT_DONE;
    }
    if (!s->opt->force)
        return look_at_pin(s);
    char *from = file_join(c->state_dir, SELFSIGNED_NEXT);
    char *to = file_join(c->state_dir, SELFSIGNED_CHAIN);
    bool fine = rename(from, to) == 0;
    if (!fine)
        report_found(&s->report, SEVERITY_FAIL, "certificate.failed", "is the disk read-only?",
                     "%s cannot be replaced: %s", to, strerror(errno));
    free(from);
    free(to);
    if (!fine)
        return EXIT_CERTIFICATE;
    s->changed = true;
    report_change(&s->report, "certificate of its own");
    report_found(&s->report, SEVERITY_OK, "certificate.ok", NULL,
                 "the next certificate is served from now on: paste what `derp-setup map` prints");
    return EXIT_DONE;
}

enum setup_exit verb_renew(struct setup *s)
{
    enum setup_exit code = need_config(s);
    if (code != EXIT_DONE)
        return code;
    if (s->desired.config.source == CONFIG_SOURCE_SELF_SIGNED)
        return renew_own(s);
    if (s->desired.config.source != CONFIG_SOURCE_ACME) {
        report_found(&s->report, SEVERITY_SKIP, "certificate.skipped", NULL,
                     "the certificate does not come from a CA by ACME (source in %s)", CONFIG_PATH);
        return EXIT_DONE;
    }
    return certificate_ask(s, s->opt->force ? "renew" : "issue");
}

static enum setup_exit nothing_pending(struct setup *s)
{
    report_always(&s->report, "No firewall change is pending; nothing was changed.");
    return EXIT_DONE;
}

static bool is_pending(struct setup *s)
{
    setup_load(s);
    return firewall_pending(&s->firewall);
}

/* A run that has settled its own change, or did so just before us, keeps the journal, too: ours is
 * older by now. */
static enum setup_exit settled(struct setup *s, enum firewall_outcome outcome, bool by_run,
                               struct findings *found)
{
    report_findings(&s->report, found);
    if (outcome == FIREWALL_UNCHANGED)
        return nothing_pending(s);
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
        return nothing_pending(s);
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
        return nothing_pending(s);
    bool by_run;
    enum firewall_outcome outcome = firewall_rollback(&s->firewall, &by_run, &found);
    return settled(s, outcome, by_run, &found);
}

enum setup_exit verb_uninstall(struct setup *s)
{
    setup_load(s);
    enum setup_exit code = EXIT_DONE;
    if (!s->opt->dry_run)
        code = firewallstep_settle(s);
    else if (firewall_pending(&s->firewall))
        report_found(&s->report, SEVERITY_WARN, "firewall.pending",
                     "derp-setup rollback takes it back",
                     "a firewall change is pending: it would be kept or taken back first");
    return code == EXIT_DONE ? undo_run(s) : code;
}
