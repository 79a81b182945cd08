/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/proof.h"

#include <string.h>

#include "base/clock.h"
#include "base/translate.h"
#include "derp/client/probe.h"
#include "installer/leaf.h"
#include "installer/stop.h"

#define PROBE_MS 10000
#define STUN_MS  4000

/* One way to the relay: a public address, and where it is asked for it from here. */
struct way {
    struct endpoint public;
    struct endpoint at;
    bool direct; /* at is the public address itself */
    bool mapped; /* clients are told of it */
};

static bool listens(const struct config_endpoints *all, int family)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].any.sa_family == family)
            return true;
    return false;
}

/*
 * Behind NAT the public address is on the router: whether it leads back here depends on it. An
 * address of ours that no client is told of (no AAAA record) is looked at, too.
 */
static bool find_way(const char *setting, const struct address_set *public,
                     const struct address_set *found, struct way *w)
{
    memset(w, 0, sizeof *w);
    w->mapped = setting && endpoint_parse_ip(setting, &w->public);
    if (!w->mapped && public->count == 0)
        return false;
    if (!w->mapped)
        w->public = public->list[0];
    w->direct = address_set_has(found, &w->public);
    if (w->direct)
        w->at = w->public;
    else
        endpoint_parse_ip(w->public.any.sa_family == AF_INET6 ? "::1" : "127.0.0.1", &w->at);
    return true;
}

static const char *via(const struct way *w, char *text, size_t cap)
{
    char public[ENDPOINT_TEXT], at[ENDPOINT_TEXT];
    endpoint_print_ip(&w->public, public);
    if (w->direct)
        translate_print(text, cap, "at %s", public);
    else
        translate_print(text, cap, "at %s (for %s, which is not on this server)",
                        endpoint_print_ip(&w->at, at), public);
    return text;
}

/* What fails on an address that no client is told of harms nobody. */
static enum severity trouble(const struct way *w)
{
    return w->mapped ? SEVERITY_FAIL : SEVERITY_WARN;
}

/* --- TLS and DERP ------------------------------------------------------------------------------
 */

static void judge_tls(const struct setup *s, const struct way *w, const struct derp_probe_tls *tls,
                      struct findings *all)
{
    const struct config *c = &s->desired.config;
    char where[160];
    struct leaf leaf;
    via(w, where, sizeof where);
    bool known = leaf_load(c, &leaf, NULL);
    bool public_ca = c->source == CONFIG_SOURCE_ACME && !c->acme_ca_file &&
                     strcmp(c->acme_directory, DESIRED_STAGING_DIRECTORY) != 0;
    if (!tls->seen)
        return; /* proof.derp says why */
    if (known && memcmp(leaf.sha256, tls->sha256, sizeof leaf.sha256) != 0) {
        size_t at = finding_add(all, trouble(w), "proof.tls",
                                "%s another certificate than ours is served", where);
        finding_fix(all, at, "systemctl reload derpd; journalctl -u derpd says why it was refused");
    } else if (public_ca && !tls->verified) {
        size_t at =
            finding_add(all, trouble(w), "proof.tls",
                        "%s clients would not trust the certificate: %s", where, tls->verify_error);
        finding_fix(all, at, "derp-setup renew --force");
    } else {
        finding_add(all, SEVERITY_OK, "proof.tls", "%s TLS 1.%d with our certificate%s", where,
                    tls->is_tls13 ? 3 : 2, tls->verified ? ", which this system trusts" : "");
    }
}

/* Admission by tailscaled or URL knows no keys of our own making: only TLS can be shown
 * then. */
static bool admits_anyone(const struct config *c)
{
    return c->allow_count == 0 || c->fail_open;
}

static void prove_derp(struct setup *s, const struct way *w, struct findings *all)
{
    const struct config *c = &s->desired.config;
    struct derp_probe_options o = {
        .to = w->at, .name = c->domain, .timeout_ms = PROBE_MS, .stop = stop_flag()};
    struct derp_probe_result r;
    struct fault f;
    char where[160];
    endpoint_set_port(&o.to, desired_port(c));
    bool fine = derp_probe(&o, &r, &f);
    via(w, where, sizeof where);
    judge_tls(s, w, &r.tls, all);
    if (fine) {
        finding_add(all, SEVERITY_OK, "proof.derp",
                    "%s two clients logged in and a packet went there and back in %.1f ms", where,
                    (double)r.rtt_us / 1000);
        return;
    }
    if (r.tls.seen && !r.logged_in && !admits_anyone(c)) {
        finding_add(all, SEVERITY_SKIP, "proof.derp",
                    "%s our own two clients are not among those that may use it; try with "
                    "`tailscale netcheck` on one of yours",
                    where);
        return;
    }
    size_t at = finding_add(all, trouble(w), "proof.derp", "%s %s: %s", where,
                            !r.tls.seen    ? "there was no TLS connection"
                            : !r.logged_in ? "a client could not log in"
                                           : "a packet between two clients got lost",
                            f.text);
    finding_fix(all, at, "journalctl -u derpd; derp-setup doctor");
}

/* --- STUN --------------------------------------------------------------------------------------
 */

static void prove_stun(struct setup *s, const struct way *w, struct findings *all)
{
    const struct config *c = &s->desired.config;
    struct endpoint server = w->at, mapped;
    struct fault f;
    int64_t rtt;
    char where[160], text[ENDPOINT_TEXT];
    via(w, where, sizeof where);
    endpoint_set_port(&server, desired_stun_port(c));
    if (stun_probe(&server, STUN_MS, stop_flag(), &mapped, &rtt, &f)) {
        finding_add(all, SEVERITY_OK, "proof.stun", "%s STUN sees us as %s, in %.1f ms", where,
                    endpoint_print(&mapped, text), (double)rtt / 1000);
        return;
    }
    size_t at =
        finding_add(all, trouble(w), "proof.stun", "%s STUN does not answer: %s", where, f.text);
    finding_fix(all, at, "journalctl -u derpd; derp-setup doctor");
}

/* --- Both --------------------------------------------------------------------------------------
 */

static void prove_way(struct setup *s, const struct way *w, struct findings *all)
{
    const struct config *c = &s->desired.config;
    int family = w->public.any.sa_family;
    if (listens(&c->listen, family) && !stop_wanted())
        prove_derp(s, w, all);
    if (listens(&c->stun, family) && !stop_wanted())
        prove_stun(s, w, all);
}

void proof_check(struct setup *s, struct findings *all)
{
    const struct journal_settings *j = &s->journal.settings;
    struct way w4, w6;
    bool has4 = find_way(j->map4, &s->own.public.ip4, &s->own.found.ip4, &w4);
    bool has6 = find_way(j->map6, &s->own.public.ip6, &s->own.found.ip6, &w6);
    if (has4)
        prove_way(s, &w4, all);
    if (has6)
        prove_way(s, &w6, all);
    if ((has4 && !w4.direct) || (has6 && !w6.direct)) {
        size_t at =
            finding_add(all, SEVERITY_WARN, "proof.outside",
                        "the way from the public address to this server is not provable from "
                        "here");
        finding_fix(all, at, "`tailscale netcheck` on a client elsewhere shows whether it works");
    }
}

enum setup_exit proof_run(struct setup *s)
{
    struct findings found = {0};
    report_begin(&s->report, "proof", "two clients through the relay, and STUN");
    proof_check(s, &found);
    report_end(&s->report);
    bool failed = findings_worst(&found) == SEVERITY_FAIL;
    if (stop_wanted()) {
        findings_free(&found);
        return EXIT_INTERRUPTED;
    }
    report_findings(&s->report, &found);
    return failed ? EXIT_SERVICE : EXIT_DONE;
}
