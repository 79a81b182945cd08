/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/noname.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "installer/paths.h"
#include "installer/stop.h"

#define WARN_DAYS 60

/* Where an earlier run found it, so that a server with several addresses keeps its name. */
static bool earlier_address(struct endpoint *e)
{
    struct config c;
    config_init(&c);
    bool known = config_load(CONFIG_PATH, &c, NULL) && desired_has_no_domain(&c) &&
                 endpoint_parse_ip(c.domain, e);
    config_free(&c);
    return known;
}

static bool own_address(struct setup *s, struct endpoint *e)
{
    struct dnscheck_options o = {.domain = "", .ip4 = s->opt->ip4, .stop = stop_flag()};
    struct findings found = {0};
    dnscheck_own(&o, &s->own, &found);
    bool has = s->own.public.ip4.count > 0 && findings_worst(&found) < SEVERITY_FAIL;
    if (has)
        *e = s->own.public.ip4.list[0];
    else
        report_findings(&s->report, &found);
    findings_free(&found);
    return has;
}

enum setup_exit noname_address(struct setup *s)
{
    char text[ENDPOINT_TEXT];
    struct endpoint e = s->opt->ip4;
    if (!s->opt->ip)
        return EXIT_DONE;
    if (s->opt != &s->answers)
        s->answers = *s->opt;
    s->opt = &s->answers;
    if (e.any.sa_family == AF_UNSPEC && !earlier_address(&e) && !own_address(s, &e)) {
        report_found(&s->report, SEVERITY_FAIL, "address.unknown",
                     "name it: derp-setup --ip --ip4=ADDRESS",
                     "this server's public IPv4 address is not on its interfaces");
        return EXIT_PREFLIGHT;
    }
    snprintf(s->answers.domain, sizeof s->answers.domain, "%s", endpoint_print_ip(&e, text));
    return EXIT_DONE;
}

void noname_check(struct setup *s, struct findings *all)
{
    const char *name = s->desired.config.domain;
    struct address_set *mine = &s->dns.a;
    struct endpoint e;
    memset(&s->dns, 0, sizeof s->dns);
    if (!endpoint_parse_ip(name, &e))
        return;
    mine->list[mine->count++] = e;
    s->dns.ready = true;
    if (s->own.public.ip4.count == 0 || address_set_has(&s->own.public.ip4, &e)) {
        finding_add(all, SEVERITY_SKIP, "dns.skipped",
                    "there is no domain: clients connect to %s and know its certificate by the "
                    "fingerprint in the derpMap",
                    name);
        return;
    }
    s->dns.ready = false;
    size_t at = finding_add(all, SEVERITY_FAIL, "address.mismatch",
                            "the relay's name is the address %s, which is not this server's any "
                            "more",
                            name);
    finding_fix(all, at, "derp-setup --ip --ip4=ADDRESS with the new one; then paste the new map");
}

void noname_judge(const struct leaf *leaf, time_t now, struct findings *all)
{
    char until[CLOCK_TEXT], pin[2 * sizeof leaf->sha256 + 1];
    long days = leaf_days(leaf, now);
    size_t at;
    clock_print(leaf->not_after, until);
    text_hex(leaf->sha256, sizeof leaf->sha256, pin);
    if (now < leaf->not_before || now >= leaf->not_after) {
        at = finding_add(all, SEVERITY_FAIL, "certificate.expired",
                         "it is not valid now (until %s)", until);
    } else if (days < WARN_DAYS) {
        at = finding_add(all, SEVERITY_WARN, "certificate.pin",
                         "it ends in %ld days (%s); the one after it has another fingerprint, "
                         "which every derpMap must have",
                         days, until);
    } else {
        finding_add(all, SEVERITY_OK, "certificate.ok",
                    "%ld days left (until %s), of its own, fingerprint sha256-raw:%s", days, until,
                    pin);
        return;
    }
    finding_fix(all, at,
                "at a quiet hour: rm /var/lib/derp/self-signed.crt; systemctl restart derpd; then "
                "paste what `derp-setup map` prints");
}
