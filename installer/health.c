/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/health.h"

#include <string.h>

#include "base/clock.h"
#include "installer/acmestatus.h"
#include "installer/clients.h"
#include "installer/leaf.h"
#include "installer/limits.h"
#include "installer/noname.h"
#include "installer/outside.h"
#include "installer/relaystatus.h"
#include "installer/server.h"
#include "installer/service.h"
#include "installer/stop.h"
#include "installer/watch.h"

#define SOON_DAYS 20

enum setup_exit health_verdict(const struct setup *s)
{
    enum severity worst = findings_worst(&s->report.findings);
    if (stop_wanted())
        return EXIT_INTERRUPTED;
    return worst == SEVERITY_FAIL ? EXIT_UNEXPECTED : EXIT_DONE;
}

bool health_is_set_up(struct setup *s, enum setup_exit *code)
{
    bool readable = setup_load(s);
    *code = EXIT_UNEXPECTED;
    if (!s->old_text && readable) {
        report_found(&s->report, SEVERITY_FAIL, "setup.missing", "derp-setup DOMAIN",
                     "this server was not set up as a relay yet");
        *code = EXIT_PREFLIGHT;
        return false;
    }
    return readable;
}

void health_service(struct setup *s, struct findings *all)
{
    struct service_state relay, timer;
    struct fault f;
    size_t at;
    if (!service_read(SERVICE_RELAY, &relay, &f) || !service_read(SERVICE_TIMER, &timer, &f)) {
        at = finding_add(all, SEVERITY_FAIL, "service.unknown", "systemd does not answer: %s",
                         f.text);
        finding_fix(all, at, "systemctl status derpd; does the server need a reboot?");
        return;
    }
    s->service_active = relay.active;
    s->service_pid = relay.pid;
    if (!relay.active) {
        at = finding_add(all, SEVERITY_FAIL, "service.down", SERVICE_RELAY " does not run");
        finding_fix(all, at, "journalctl -u derpd -n 20 says why; then systemctl restart derpd");
    } else if (!relay.enabled) {
        at = finding_add(all, SEVERITY_FAIL, "service.boot",
                         SERVICE_RELAY " will not start at boot");
        finding_fix(all, at, "systemctl enable derpd");
    } else {
        finding_add(all, SEVERITY_OK, "service.ok", SERVICE_RELAY " runs and starts at boot");
    }
    if (s->desired.config.source == CONFIG_SOURCE_ACME && (!timer.active || !timer.enabled)) {
        at = finding_add(all, SEVERITY_FAIL, "service.timer",
                         "the certificate will not be renewed: " SERVICE_TIMER " is %s",
                         timer.enabled ? "not active" : "not enabled");
        finding_fix(all, at, "systemctl enable --now " SERVICE_TIMER);
    }
}

void health_judge_certificate(const char *domain, const struct leaf *leaf, time_t now,
                              struct findings *all)
{
    char until[CLOCK_TEXT];
    size_t at;
    long days = leaf_days(leaf, now);
    long life = (long)((leaf->not_after - leaf->not_before) / 86400);
    clock_print(leaf->not_after, until);
    if (!leaf->for_domain) {
        at = finding_add(all, SEVERITY_FAIL, "certificate.name", "it is not for %s", domain);
        finding_fix(all, at, "derp-setup renew");
    } else if (now < leaf->not_before || now > leaf->not_after) {
        at = finding_add(all, SEVERITY_FAIL, "certificate.expired",
                         "it is not valid now (until %s)", until);
        finding_fix(all, at, "timedatectl; derp-setup renew; derp-acme status");
    } else if (days < SOON_DAYS && days < life / 4) {
        at = finding_add(all, SEVERITY_WARN, "certificate.soon",
                         "it ends in %ld days (%s) and was not renewed yet", days, until);
        finding_fix(all, at, "derp-acme status tells of the last try; derp-setup renew");
    } else {
        finding_add(all, SEVERITY_OK, "certificate.ok", "%ld days left (until %s), by %s", days,
                    until, leaf->issuer);
    }
}

void health_certificate(struct setup *s, struct findings *all)
{
    const struct config *c = &s->desired.config;
    bool own = c->source == CONFIG_SOURCE_SELF_SIGNED;
    struct leaf leaf, next;
    struct fault f;
    if (!leaf_load(c, &leaf, &f)) {
        size_t at =
            finding_add(all, SEVERITY_FAIL, "certificate.missing", "there is none yet: %s", f.text);
        finding_fix(all, at,
                    own ? "systemctl restart derpd makes one; then paste the new map"
                        : "derp-setup renew tries at once; derp-acme status tells of the last try");
    } else if (own) {
        noname_judge(&leaf, leaf_load_next(c, &next) ? &next : NULL, clock_wall(), all);
    } else {
        health_judge_certificate(c->domain, &leaf, clock_wall(), all);
    }
}

void health_relay(struct setup *s, struct findings *all)
{
    struct relaystatus r;
    struct fault f;
    if (!s->service_active)
        return;
    if (!relaystatus_read(&s->desired.config, &r, &f)) {
        size_t at = finding_add(all, SEVERITY_WARN, "relay.unknown", "%s", f.text);
        finding_fix(all, at,
                    "systemctl status derpd; metrics in " CONFIG_PATH " says where it answers");
        return;
    }
    struct leaf leaf;
    if (!s->report.status)
        s->report.status = relaystatus_json(
            &r, leaf_load(&s->desired.config, &leaf, NULL) ? leaf_days(&leaf, clock_wall()) : -1);
    finding_add(all, SEVERITY_OK, "relay.ok",
                "up %lld h %lld min, %lld connections (%lld logged in), %lld packets relayed, "
                "%lld dropped, %lld STUN answers",
                (long long)r.uptime / 3600, (long long)r.uptime / 60 % 60, (long long)r.open,
                (long long)r.clients, (long long)r.relayed, (long long)r.dropped,
                (long long)r.stun);
    if (*r.problem) {
        size_t at = finding_add(all, SEVERITY_FAIL, "relay.certificate",
                                "the relay has refused a certificate: %s", r.problem);
        finding_fix(all, at, "derp-setup renew --force");
    }
}

/* false: derp-acme cannot be asked, or has nothing to do with it. */
static bool read_renewal(const struct config *c, struct acmestatus *st, struct findings *all)
{
    struct fault f;
    bool known = c->source == CONFIG_SOURCE_ACME && acmestatus_read(st, &f);
    if (known) {
        acmestatus_judge(st, clock_wall(), all);
    } else if (c->source == CONFIG_SOURCE_ACME) {
        size_t at = finding_add(all, SEVERITY_WARN, "certificate.next",
                                "what comes next for the certificate cannot be told: %s", f.text);
        finding_fix(all, at, "derp-acme status");
    }
    return known;
}

static void look_at_renewal(struct setup *s, struct findings *all)
{
    struct acmestatus st;
    read_renewal(&s->desired.config, &st, all);
}

void health_renewal(struct setup *s, struct findings *all)
{
    const struct config *c = &s->desired.config;
    struct acmestatus st;
    bool known = read_renewal(c, &st, all);
    outside_proof(c, known ? &st : NULL, clock_wall(), all);
}

void health_limits(struct setup *s, struct findings *all)
{
    struct limits l;
    limits_read((pid_t)s->service_pid, &s->desired.config, &l);
    limits_judge(&l, all);
}

/* Shown again and again, as it is easily forgotten; the rest of it is for doctor. */
static void health_clients(struct setup *s, struct findings *all)
{
    if (s->desired.config.allow_count == 0)
        clients_check(&s->desired.config, all);
}

static void look_at_pending(struct setup *s, struct findings *all)
{
    if (!firewall_pending(&s->firewall))
        return;
    size_t at = finding_add(all, SEVERITY_WARN, "firewall.pending",
                            "an earlier run left a firewall change unconfirmed");
    finding_fix(all, at, "derp-setup confirm keeps it, derp-setup rollback takes it back");
}

enum setup_exit health_status(struct setup *s)
{
    struct findings found = {0};
    enum setup_exit code;
    if (!health_is_set_up(s, &code))
        return code;
    if (s->opt->watch)
        return watch_run(s);
    health_service(s, &found);
    health_certificate(s, &found);
    look_at_renewal(s, &found);
    health_relay(s, &found);
    look_at_pending(s, &found);
    health_clients(s, &found);
    server_judge_age(clock_build(), clock_wall(), &found);
    report_findings(&s->report, &found);
    return health_verdict(s);
}
