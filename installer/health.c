/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/health.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "installer/ca.h"
#include "installer/leaf.h"
#include "installer/preflight.h"
#include "installer/proof.h"
#include "installer/relaystatus.h"
#include "installer/server.h"
#include "installer/service.h"
#include "installer/stop.h"

#define SOON_DAYS 20

static enum setup_exit verdict(const struct setup *s)
{
    enum severity worst = findings_worst(&s->report.findings);
    if (stop_wanted())
        return EXIT_INTERRUPTED;
    return worst == SEVERITY_FAIL ? EXIT_UNEXPECTED : EXIT_DONE;
}

/* true: there is a config to judge. */
static bool is_set_up(struct setup *s, enum setup_exit *code)
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

static void look_at_service(struct setup *s, struct findings *all)
{
    struct service_state relay, timer;
    struct fault f;
    if (!service_read(SERVICE_RELAY, &relay, &f) || !service_read(SERVICE_TIMER, &timer, &f)) {
        finding_add(all, SEVERITY_FAIL, "service.unknown", "systemd does not answer: %s", f.text);
        return;
    }
    s->service_active = relay.active;
    if (!relay.active) {
        size_t at = finding_add(all, SEVERITY_FAIL, "service.down", SERVICE_RELAY " does not run");
        finding_fix(all, at, "journalctl -u derpd -n 20 says why; then systemctl restart derpd");
    } else if (!relay.enabled) {
        size_t at = finding_add(all, SEVERITY_FAIL, "service.boot",
                                SERVICE_RELAY " will not start at boot");
        finding_fix(all, at, "systemctl enable derpd");
    } else {
        finding_add(all, SEVERITY_OK, "service.ok", SERVICE_RELAY " runs and starts at boot");
    }
    if (s->desired.config.source == CONFIG_SOURCE_ACME && (!timer.active || !timer.enabled)) {
        size_t at = finding_add(all, SEVERITY_FAIL, "service.timer",
                                "the certificate will not be renewed: " SERVICE_TIMER " is %s",
                                timer.enabled ? "not active" : "not enabled");
        finding_fix(all, at, "systemctl enable --now " SERVICE_TIMER);
    }
}

static void look_at_certificate(struct setup *s, struct findings *all)
{
    const struct config *c = &s->desired.config;
    struct leaf leaf;
    struct fault f;
    char until[CLOCK_TEXT];
    time_t now = clock_wall();
    size_t at;
    if (c->source == CONFIG_SOURCE_SELF_SIGNED)
        return;
    if (!leaf_load(c, &leaf, &f)) {
        at =
            finding_add(all, SEVERITY_FAIL, "certificate.missing", "there is none yet: %s", f.text);
        finding_fix(all, at,
                    "derp-setup renew tries at once; derp-acme status tells of the last try");
        return;
    }
    long days = leaf_days(&leaf, now);
    clock_print(leaf.not_after, until);
    long life = (long)((leaf.not_after - leaf.not_before) / 86400);
    if (!leaf.for_domain) {
        at = finding_add(all, SEVERITY_FAIL, "certificate.name", "it is not for %s", c->domain);
        finding_fix(all, at, "derp-setup renew");
    } else if (now < leaf.not_before || now > leaf.not_after) {
        at = finding_add(all, SEVERITY_FAIL, "certificate.expired",
                         "it is not valid now (until %s)", until);
        finding_fix(all, at, "timedatectl; derp-setup renew; derp-acme status");
    } else if (days < SOON_DAYS && days < life / 4) {
        at = finding_add(all, SEVERITY_WARN, "certificate.soon",
                         "it ends in %ld days (%s) and was not renewed yet", days, until);
        finding_fix(all, at, "derp-acme status tells of the last try; derp-setup renew");
    } else {
        finding_add(all, SEVERITY_OK, "certificate.ok", "%ld days left (until %s), by %s", days,
                    until, leaf.issuer);
    }
}

static void look_at_relay(struct setup *s, struct findings *all)
{
    struct relaystatus r;
    struct fault f;
    if (!s->service_active)
        return;
    if (!relaystatus_read(&s->desired.config, &r, &f)) {
        finding_add(all, SEVERITY_WARN, "relay.unknown", "%s", f.text);
        return;
    }
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
    if (!is_set_up(s, &code))
        return code;
    look_at_service(s, &found);
    look_at_certificate(s, &found);
    look_at_relay(s, &found);
    look_at_pending(s, &found);
    report_findings(&s->report, &found);
    return verdict(s);
}

static void look_at_firewall(struct setup *s, struct findings *all)
{
    if (!s->use_firewall) {
        finding_add(all, SEVERITY_SKIP, "firewall.none", "left alone, as --firewall=none said");
        return;
    }
    if (firewall_inspect(&s->firewall, &s->firewall_state, all))
        firewall_verify(&s->firewall, &s->firewall_state, all);
}

typedef void (*look)(struct setup *s, struct findings *all);

static void look_at_server(struct setup *s, struct findings *all)
{
    (void)s;
    server_check(all);
}

enum setup_exit health_doctor(struct setup *s)
{
    static const struct {
        const char *label;
        look look;
    } looks[] = {
        {"server", look_at_server},
        {"service", look_at_service},
        {"ports", preflight_ports},
        {"firewall", look_at_firewall},
        {"ca", ca_check},
        {"dns", preflight_domain},
        {"certificate", look_at_certificate},
        {"relay", look_at_relay},
        {"proof", proof_check},
    };
    enum setup_exit code;
    if (!is_set_up(s, &code))
        return code;
    for (size_t i = 0; i < sizeof looks / sizeof *looks && !stop_wanted(); i++) {
        struct findings found = {0};
        report_begin(&s->report, looks[i].label, NULL);
        looks[i].look(s, &found);
        report_end(&s->report);
        report_findings(&s->report, &found);
    }
    return verdict(s);
}
