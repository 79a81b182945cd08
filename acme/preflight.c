/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/preflight.h"

#include <stdlib.h>
#include <string.h>

#include "acme/attempts.h"
#include "acme/challenge.h"
#include "acme/identifier.h"
#include "acme/probe.h"
#include "base/log.h"
#include "dnscheck/dnscheck.h"

#define DNS_TIMEOUT_MS 10000

bool preflight_is_definite(const struct finding *one)
{
    static const char *const definite[] = {
        "dns.nxdomain",     "dns.a.missing", "dns.a.mismatch", "dns.a.extra",
        "dns.aaaa.stray",   "dns.bogus",     "dns.servfail",   "dns.caa.forbidden",
        "dns.caa.servfail", "dns.name",      "dns.cdn",        "dns.cname.loop",
    };
    if (one->severity != SEVERITY_FAIL)
        return false;
    for (size_t i = 0; i < sizeof definite / sizeof *definite; i++) {
        if (strcmp(one->id, definite[i]) == 0)
            return true;
    }
    return false;
}

static bool is_address_finding(const struct finding *one)
{
    return strcmp(one->id, "dns.nxdomain") == 0 || strcmp(one->id, "dns.cdn") == 0 ||
           strncmp(one->id, "dns.a.", 6) == 0 || strncmp(one->id, "dns.aaaa.", 9) == 0;
}

/* Warnings go to the log; of the definite faults the first becomes the failure, the rest is said.
 * local: the fault is on our side of the network, so the CA need not see it; unseen: it does not
 * come to our addresses. */
static bool judge(const struct findings *all, bool local, bool unseen, struct failure *fail)
{
    bool ok = true;
    for (size_t i = 0; i < all->count; i++) {
        const struct finding *one = &all->list[i];
        const char *fix = one->fix ? one->fix : "";
        if (one->severity < SEVERITY_WARN)
            continue;
        if (ok && !local && preflight_is_definite(one) && !(unseen && is_address_finding(one)))
            ok = failure_set(fail, FAILURE_PREFLIGHT, "%s: %s%s%s", one->id, one->message,
                             *fix ? " — " : "", fix);
        else
            log_warning("%s: %s%s%s", one->id, one->message, *fix ? " — " : "", fix);
    }
    return ok;
}

/* An address of the domain that is on no interface, and leads to our relay nevertheless, is ours as
 * if --ip4 or --ip6 had named it. True when one was found. */
static bool adopt(const struct config *config, const struct address_set *pointed,
                  const struct address_set *own, struct endpoint *given)
{
    char text[ENDPOINT_TEXT];
    for (size_t i = 0; i < pointed->count; i++) {
        if (address_set_has(own, &pointed->list[i]))
            continue;
        if (!probe_leads_here(config, &pointed->list[i]))
            return false;
        log_info("%s is on no interface here, but leads to this relay",
                 endpoint_print_ip(&pointed->list[i], text));
        *given = pointed->list[i];
        return true;
    }
    return false;
}

static bool points_elsewhere(const struct findings *all)
{
    static const char *const ids[] = {"dns.a.mismatch", "dns.a.extra", "dns.aaaa.stray"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const struct finding *one = findings_get(all, ids[i]);
        if (one && one->severity == SEVERITY_FAIL)
            return true;
    }
    return false;
}

static bool check_dns(struct session *s, struct failure *fail)
{
    const struct config *config = s->config;
    const struct directory *d = &s->client.directory;
    struct dnscheck_options o = {
        .domain = config->domain,
        .root_hints = config->dns_root_hints,
        .trust_anchor = config->dns_trust_anchor,
        .resolver = config->dns_resolver,
        .own_optional = true,
        .ca_names = (const char *const *)d->caa,
        .ca_count = d->caa_count,
        .challenge = challenge_name(config->challenge),
        .account_uri = s->client.kid,
        .timeout_ms = DNS_TIMEOUT_MS,
    };
    struct findings all = {0};
    struct dnscheck_own own;
    struct dnscheck_result result;
    dnscheck_own(&o, &own, &all);
    dnscheck_domain(&o, &own, &result, &all);
    if (points_elsewhere(&all)) {
        bool adopted = adopt(config, &result.a, &own.public.ip4, &o.ip4);
        adopted = adopt(config, &result.aaaa, &own.public.ip6, &o.ip6) || adopted;
        if (adopted) {
            findings_free(&all);
            dnscheck_own(&o, &own, &all);
            dnscheck_domain(&o, &own, &result, &all);
        }
    }
    bool ok = judge(&all, result.local, config->challenge == CONFIG_CHALLENGE_DNS_01, fail);
    findings_free(&all);
    return ok;
}

/* What we could not tell at first, the CA has told us since. */
static bool validations_fail(const struct session *s)
{
    const struct ca_record *r = attempts_find(&s->state, s->ca->directory);
    return r && r->failures[FAILURE_REACHABILITY] > 0;
}

static bool check_port(struct session *s, struct failure *fail)
{
    char text[512];
    switch (probe_self(s, text, sizeof text)) {
    case PROBE_OURS:
        return true;
    case PROBE_FOREIGN:
        return failure_set(fail, FAILURE_PREFLIGHT,
                           "%s; the CA would meet it instead of derpd: stop what listens there, "
                           "or change listen in [relay]",
                           text);
    case PROBE_UNKNOWN:
        if (validations_fail(s))
            return failure_set(fail, FAILURE_PREFLIGHT,
                               "%s, and the last validation failed: is derpd running? "
                               "(systemctl status derpd)",
                               text);
        log_warning("%s; going on, but the CA may not reach derpd either", text);
        return true;
    }
    return true;
}

bool preflight_yields(const struct session *s, const struct failure *fail)
{
    if (fail->class != FAILURE_PREFLIGHT || !s->renewing ||
        !session_desperate(s, FAILURE_PREFLIGHT))
        return false;
    log_warning("%s; going on, for the certificate is needed now, and the CA may see it otherwise",
                fail->text);
    return true;
}

/* By name the CA finds us in the DNS; an address needs none. */
static bool check_name(struct session *s, struct failure *fail)
{
    return identifier_is_ip(s->config->domain) || check_dns(s, fail) || preflight_yields(s, fail);
}

bool preflight(struct session *s, struct failure *fail)
{
    if (s->preflighted)
        return true;
    /* publish.h looks itself whether an answer to http-01 or dns-01 can be seen. */
    bool port = s->config->challenge == CONFIG_CHALLENGE_TLS_ALPN_01;
    bool dns = !identifier_is_ip(s->config->domain);
    log_info("checking %s%s%s", dns ? "the DNS of " : "", dns ? s->config->domain : "",
             port ? dns ? " and our own port" : "our own port" : "");
    s->preflighted = check_name(s, fail) && (!port || check_port(s, fail));
    return s->preflighted;
}
