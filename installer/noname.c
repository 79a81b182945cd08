/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/noname.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/selfsigned.h"
#include "base/text.h"
#include "installer/derpmap.h"
#include "installer/stop.h"
#include "installer/transport.h"

#define CA_MS       10000
#define PLACEHOLDER "192.0.2.1" /* an address for documentation, until the right one is known */

/* What flags and config say of the CA and of who is asked for the address, before there is a name
 * and with it a whole config. */
static void look_ahead(const struct setup *s, struct desired *w)
{
    struct options o = *s->opt;
    struct journal none = {0};
    struct buf text;
    buf_init(&text, CONFIG_MAX_BYTES);
    bool has = file_exists(CONFIG_PATH) && file_read(CONFIG_PATH, &text, NULL);
    snprintf(o.domain, sizeof o.domain, "%s", PLACEHOLDER);
    /* A broken config is told of when it is loaded. */
    if (!desired_make(&o, &none, has ? buf_text(&text) : NULL, true, w, NULL)) {
        desired_free(w);
        config_init(&w->config);
    }
    buf_free(&text);
}

/* --- The address -------------------------------------------------------------------------------
 */

static bool own_address(struct setup *s, const struct config *c, struct endpoint *e)
{
    struct dnscheck_options o = {
        .domain = "",
        .root_hints = c->dns_root_hints,
        .trust_anchor = c->dns_trust_anchor,
        .resolver = c->dns_resolver,
        .stop = stop_flag(),
    };
    struct findings found = {0};
    whereabouts_find(c, NULL, &o, &s->where);
    dnscheck_own(&o, &s->own, &found);
    bool has = s->own.public.ip4.count > 0 && findings_worst(&found) < SEVERITY_FAIL;
    if (has)
        *e = s->own.public.ip4.list[0];
    else
        report_findings(&s->report, &found);
    findings_free(&found);
    return has;
}

/* Given, or where an earlier run found it (a server with several addresses keeps its name), or what
 * interfaces, the cloud and others say. */
static enum setup_exit choose_address(struct setup *s, const struct desired *w)
{
    char text[ENDPOINT_TEXT];
    struct endpoint e = s->opt->ip4;
    bool known =
        e.any.sa_family != AF_UNSPEC || (w->old_domain && endpoint_parse_ip(w->old_domain, &e));
    if (!known && !own_address(s, &w->config, &e)) {
        report_found(&s->report, SEVERITY_FAIL, "address.unknown",
                     "name it: derp-setup --ip=ADDRESS",
                     "this server's public IPv4 address cannot be found out");
        return stop_wanted() ? EXIT_INTERRUPTED : EXIT_PREFLIGHT;
    }
    snprintf(s->answers.domain, sizeof s->answers.domain, "%s", endpoint_print_ip(&e, text));
    return EXIT_DONE;
}

/* --- The certificate ---------------------------------------------------------------------------
 */

static bool ca_offers_it(const struct config *c)
{
    struct transport_answer answer;
    struct directory ca = {0};
    struct fault why;
    bool offers = transport_get(c->acme_directory, c->acme_ca_file, CA_MS, stop_flag(), &answer,
                                &why) == TRANSPORT_ANSWERED &&
                  answer.status == 200 && directory_parse(buf_text(&answer.body), &ca, &why) &&
                  ca.shortlived;
    transport_answer_free(&answer);
    ca_directory_free(&ca);
    return offers;
}

/* A public CA proves an address on port 443 or 80 (RFC 8738 4), never by the DNS (7). */
static bool can_be_validated(const struct config *c)
{
    bool on_443 = desired_port(c) == DERPMAP_PORT || c->acme_ca_file;
    return c->challenge == CONFIG_CHALLENGE_HTTP_01 ||
           (c->challenge == CONFIG_CHALLENGE_TLS_ALPN_01 && on_443);
}

/*
 * A relay that has an address for a name already keeps the kind of certificate it has: its clients'
 * map depends on it.
 */
static void choose_certificate(struct setup *s, const struct desired *w)
{
    struct options *o = &s->answers;
    struct endpoint e;
    bool kept = o->certificate == CERTIFICATE_CHOICE_KEEP && w->old_domain &&
                endpoint_parse_ip(w->old_domain, &e);
    s->certificate_asked = o->certificate != CERTIFICATE_CHOICE_KEEP || o->acme_profile;
    if (kept || o->certificate == CERTIFICATE_CHOICE_SELF_SIGNED)
        return;
    if (o->acme_profile) {
        o->certificate = CERTIFICATE_CHOICE_ACME;
        return;
    }
    bool possible = can_be_validated(&w->config);
    if (possible && ca_offers_it(&w->config)) {
        o->certificate = CERTIFICATE_CHOICE_ACME;
        o->acme_profile = DIRECTORY_SHORTLIVED;
        return;
    }
    if (o->certificate == CERTIFICATE_CHOICE_ACME) /* another CA may do without a profile */
        return;
    o->certificate = CERTIFICATE_CHOICE_SELF_SIGNED;
    if (possible)
        finding_add(&s->early, SEVERITY_SKIP, "certificate.self-signed",
                    "%s does not say that it gives certificates for addresses (profile "
                    "shortlived): the relay makes one of its own, which clients know by its "
                    "fingerprint in the derpMap; --certificate=acme asks the CA nevertheless",
                    w->config.acme_directory);
    else
        finding_add(&s->early, SEVERITY_SKIP, "certificate.self-signed",
                    "a CA proves an address on port 443 or 80 only: the relay makes a certificate "
                    "of its own, which clients know by its fingerprint in the derpMap");
}

enum setup_exit noname_prepare(struct setup *s)
{
    struct desired w;
    if (!s->opt->ip)
        return EXIT_DONE;
    if (s->opt != &s->answers)
        s->answers = *s->opt;
    s->opt = &s->answers;
    look_ahead(s, &w);
    enum setup_exit code = choose_address(s, &w);
    if (code == EXIT_DONE)
        choose_certificate(s, &w);
    desired_free(&w);
    return stop_wanted() ? EXIT_INTERRUPTED : code;
}

/* --- The checks --------------------------------------------------------------------------------
 */

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
        if (s->desired.config.source == CONFIG_SOURCE_SELF_SIGNED)
            finding_add(all, SEVERITY_SKIP, "dns.skipped",
                        "there is no domain: clients connect to %s and know its certificate by "
                        "the fingerprint in the derpMap",
                        name);
        else
            finding_add(all, SEVERITY_SKIP, "dns.skipped",
                        "there is no domain: clients connect to %s, which its certificate is for",
                        name);
        return;
    }
    s->dns.ready = false;
    size_t at = finding_add(all, SEVERITY_FAIL, "address.mismatch",
                            "the relay's name is the address %s, which is not this server's any "
                            "more",
                            name);
    finding_fix(all, at, "derp-setup --ip=ADDRESS with the new one; then paste the new map");
}

/* When derpd changes from leaf to next; 0: it will not. */
static time_t changes_at(const struct leaf *leaf, const struct leaf *next, time_t now)
{
    const struct selfsigned_facts facts = {
        .now = now,
        .not_after = leaf->not_after,
        .next = true,
        .next_not_before = next->not_before,
        .next_not_after = next->not_after,
    };
    time_t at;
    selfsigned_decide(&facts, &at);
    return at;
}

void noname_judge(const struct leaf *leaf, const struct leaf *next, time_t now,
                  struct findings *all)
{
    char until[CLOCK_TEXT], change[CLOCK_TEXT], pin[2 * sizeof leaf->sha256 + 1];
    long days = leaf_days(leaf, now);
    time_t at_time = next ? changes_at(leaf, next, now) : 0;
    size_t at;
    clock_print(leaf->not_after, until);
    text_hex(leaf->sha256, sizeof leaf->sha256, pin);
    if (now < leaf->not_before || now >= leaf->not_after) {
        at = finding_add(all, SEVERITY_FAIL, "certificate.expired",
                         "it is not valid now (until %s)", until);
        finding_fix(all, at,
                    "is the clock right (timedatectl)? derpd makes another one within the hour: "
                    "then paste what `derp-setup map` prints");
    } else if (at_time) {
        text_hex(next->sha256, sizeof next->sha256, pin);
        at = finding_add(all, SEVERITY_WARN, "certificate.pin",
                         "its fingerprint changes at %s to sha256-raw:%s, which every derpMap must "
                         "have then",
                         clock_print(at_time, change), pin);
        finding_fix(all, at,
                    "paste what `derp-setup map --next` prints just then; or choose the moment: "
                    "`derp-setup renew --force` changes it at once");
    } else if (days < SELFSIGNED_NOTICE_DAYS) {
        at = finding_add(all, SEVERITY_WARN, "certificate.pin",
                         "it ends in %ld days (%s), and derpd has not made the next one", days,
                         until);
        finding_fix(all, at, "journalctl -u derpd says why; systemctl restart derpd");
    } else {
        finding_add(all, SEVERITY_OK, "certificate.ok",
                    "%ld days left (until %s), of its own, fingerprint sha256-raw:%s", days, until,
                    pin);
    }
}
