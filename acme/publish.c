/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/publish.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "acme/challenge.h"
#include "acme/hook.h"
#include "acme/identifier.h"
#include "acme/jws.h"
#include "acme/preflight.h"
#include "acme/stale.h"
#include "acme/transport.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "dnscheck/dnscheck.h"

#define LOOK_MS     5000
#define DNS_LOOK_MS 10000
#define SIGHTINGS   8 /* in a row: each asks one of the domain's name servers */
#define AGAIN_MS    1000
#define AGAIN_MOST  15000
#define TIDY_MOST   2 /* records that one run tries to take away: each may take two minutes */

static bool local(struct failure *fail, const struct fault *why)
{
    return failure_set(fail, FAILURE_LOCAL, "%s", why->text);
}

bool publish_possible(const struct config *config, struct failure *fail)
{
    if (config->challenge == CONFIG_CHALLENGE_DNS_01 && identifier_is_ip(config->domain))
        return failure_set(
            fail, FAILURE_CONFIGURATION,
            "dns-01 cannot validate an IP address (RFC 8738 7), and the domain is %s: "
            "set challenge = tls-alpn-01 or http-01 in [acme]",
            config->domain);
    return true;
}

/* --- tls-alpn-01 ------------------------------------------------------------------------------ */

static bool publish_tls(struct session *s, const char *authorization, struct failure *fail)
{
    uint8_t digest[JWS_DIGEST];
    char sni[IDENTIFIER_SNI_MAX], file[IDENTIFIER_SNI_MAX + 8];
    struct buf pem;
    struct fault why = {"cannot derive the key authorization"};
    buf_init(&pem, 65536);
    identifier_sni(s->config->domain, sni);
    snprintf(file, sizeof file, "%s.pem", sni);
    bool ok = jws_digest(authorization, strlen(authorization), digest) &&
              challenge_certificate(s->config->domain, digest, &pem, &why) &&
              store_put_challenge(&s->store, file, &pem, &why);
    buf_wipe(&pem);
    return ok || local(fail, &why);
}

/* --- http-01 ---------------------------------------------------------------------------------- */

/* What derpd answers where it listens is what the CA gets, as far as that can be told from here. */
static bool look(struct session *s, const struct endpoint *at, const char *token,
                 const char *wanted, struct failure *fail)
{
    char where[ENDPOINT_TEXT], found[120], error[256];
    struct buf body;
    long status;
    buf_init(&body, 1024);
    char *path = mem_printf("/.well-known/acme-challenge/%s", token);
    bool answered =
        transport_plain(at, s->config->domain, path, LOOK_MS, &body, &status, error, sizeof error);
    bool ok = answered && status == 200 && strcmp(buf_text(&body), wanted) == 0;
    endpoint_print(at, where);
    if (!answered)
        failure_set(fail, FAILURE_PREFLIGHT,
                    "nothing answers HTTP on %s, where the CA would ask for the challenge (%s): is "
                    "derpd running with this http in [relay]? systemctl restart derpd",
                    where, error);
    else if (!ok) {
        text_printable(body.data, body.len, found, sizeof found);
        failure_set(fail, FAILURE_PREFLIGHT,
                    "%s answers the challenge with status %ld \"%s\" instead of our key "
                    "authorization: something other than derpd listens there, or derpd has "
                    "another dir in [certificate]",
                    where, status, found);
    }
    free(path);
    buf_free(&body);
    return ok;
}

static bool publish_http(struct session *s, const char *token, const char *authorization,
                         struct failure *fail)
{
    const struct config_endpoints *http = &s->config->http;
    struct fault why;
    struct buf text;
    bool ok = true;
    buf_init(&text, 1024);
    buf_puts(&text, authorization);
    char *file = mem_printf("http-01.%s", token);
    if (!store_put_challenge(&s->store, file, &text, &why))
        ok = local(fail, &why);
    bool port80 = false;
    for (size_t i = 0; ok && i < http->count; i++) {
        port80 = port80 || endpoint_port(&http->list[i]) == 80;
        if (endpoint_port(&http->list[i]) != 0)
            ok = look(s, &http->list[i], token, authorization, fail);
    }
    if (ok && !port80)
        log_warning("the CA asks on port 80, which is not in http of [relay]; something must pass "
                    "it on");
    free(file);
    buf_free(&text);
    return ok;
}

/* --- dns-01 ----------------------------------------------------------------------------------- */

static enum dnscheck_txt see_record(const struct session *s, struct fault *why)
{
    const struct config *c = s->config;
    const struct dnscheck_options o = {.root_hints = c->dns_root_hints,
                                       .trust_anchor = c->dns_trust_anchor,
                                       .resolver = c->dns_resolver,
                                       .timeout_ms = DNS_LOOK_MS};
    enum dnscheck_txt seen = DNSCHECK_TXT_FOUND;
    for (int i = 0; i < SIGHTINGS && seen == DNSCHECK_TXT_FOUND; i++)
        seen = dnscheck_txt(&o, s->state.hook_name, s->state.hook_value, why);
    return seen;
}

/* Nobody sees the record; whether that stops us. */
static bool unseen(const struct session *s, const struct fault *why, struct failure *fail)
{
    failure_set(fail, FAILURE_PREFLIGHT,
                "the hook has ended well, but after %llu s %s: does it change the "
                "zone that the world sees? A slow provider needs a longer "
                "dns-wait in [acme]",
                (unsigned long long)s->config->dns_wait, why->text);
    return preflight_yields(s, fail);
}

static bool wait_for_record(const struct session *s, struct failure *fail)
{
    struct fault why;
    int64_t wait = AGAIN_MS, deadline = clock_mono_ms() + (int64_t)s->config->dns_wait * 1000;
    if (deadline > s->deadline_ms)
        deadline = s->deadline_ms;
    for (;;) {
        enum dnscheck_txt seen = see_record(s, &why);
        if (seen == DNSCHECK_TXT_FOUND)
            return true;
        if (clock_mono_ms() + wait > deadline) {
            if (seen == DNSCHECK_TXT_ABSENT)
                return unseen(s, &why, fail);
            log_warning("%s; going on, but the CA may not see the record either", why.text);
            return true;
        }
        log_debug("%s; looking again", why.text);
        nanosleep(&(struct timespec){.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000},
                  NULL);
        wait = wait * 2 < AGAIN_MOST ? wait * 2 : AGAIN_MOST;
    }
}

static void save(struct session *s)
{
    struct failure why;
    if (!session_save(s, &why))
        log_warning("%s", why.text);
}

/* Takes a record away. Without a hook nobody can. */
static bool clean_up(const struct session *s, const char *name, const char *value,
                     struct fault *why)
{
    if (s->config->dns_hook)
        return hook_run(s->config->dns_hook, HOOK_CLEANUP, name, value, why);
    log_warning(
        "dns-hook is no longer set, so the TXT record \"%s\" of %s stays: remove it by hand", value,
        name);
    return true;
}

static void say_lost(const struct stale *r)
{
    log_warning("the TXT record \"%s\" of %s could not be taken away and is forgotten now: remove "
                "it by hand",
                r->value, r->name);
}

/* What is not taken away at once is remembered, also when another record is presented. */
static void withdraw_record(struct session *s)
{
    struct fault why;
    struct stale lost = {0};
    if (!s->state.hook_name || !s->state.hook_value)
        return;
    if (clean_up(s, s->state.hook_name, s->state.hook_value, &why)) {
        state_set(&s->state.hook_name, NULL);
        state_set(&s->state.hook_value, NULL);
    } else {
        log_warning("%s; the next run tries again", why.text);
        stale_add(&s->state, clock_wall(), &lost);
    }
    if (lost.name)
        say_lost(&lost);
    stale_free(&lost);
    save(s);
}

void publish_tidy(struct session *s, bool all)
{
    struct fault why;
    time_t now = clock_wall();
    size_t i = stale_due(&s->state, 0, now, all);
    for (int n = 0; n < TIDY_MOST && i < STATE_STALE && !session_late(s); n++) {
        const struct stale *r = &s->state.stale[i];
        if (clean_up(s, r->name, r->value, &why)) {
            if (s->config->dns_hook)
                log_info("the TXT record \"%s\" of %s is taken away at last", r->value, r->name);
            stale_done(&s->state, i);
        } else if (stale_failed(&s->state, i, now)) {
            log_error("%s; given up after %d tries: remove the TXT record \"%s\" of %s by hand, or "
                      "mend the hook and run derp-acme issue",
                      why.text, STALE_TRIES, r->value, r->name);
        } else {
            log_warning("%s; it is tried again", why.text);
        }
        save(s);
        i = stale_due(&s->state, i + 1, now, all);
    }
}

static bool publish_dns(struct session *s, const char *authorization, struct failure *fail)
{
    uint8_t digest[JWS_DIGEST];
    struct fault why;
    if (!jws_digest(authorization, strlen(authorization), digest))
        return failure_set(fail, FAILURE_LOCAL, "cannot derive the key authorization");
    char *value = text_base64url(digest, sizeof digest);
    if (s->state.hook_value && strcmp(s->state.hook_value, value) != 0)
        withdraw_record(s); /* of an order that was cut off */
    if (s->deadline_ms - clock_mono_ms() < HOOK_TIMEOUT_MS) {
        free(value);
        return failure_set(fail, FAILURE_LOCAL,
                           "this run has no time left for dns-hook; the next one goes on");
    }
    char *name = mem_printf("_acme-challenge.%s", s->config->domain);
    state_set(&s->state.hook_name, name);
    state_set(&s->state.hook_value, value);
    free(name);
    free(value);
    if (!session_save(s, fail))
        return false;
    log_info("%s present %s", s->config->dns_hook, s->state.hook_name);
    if (!hook_run(s->config->dns_hook, HOOK_PRESENT, s->state.hook_name, s->state.hook_value, &why))
        return failure_set(fail, FAILURE_PREFLIGHT, "%s", why.text);
    return wait_for_record(s, fail);
}

/* --- All of them ------------------------------------------------------------------------------ */

bool publish(struct session *s, const char *token, struct failure *fail)
{
    char *authorization = jws_key_authorization(token, s->account_key);
    bool ok = false;
    if (!authorization)
        return failure_set(fail, FAILURE_LOCAL, "cannot derive the key authorization");
    switch (s->config->challenge) {
    case CONFIG_CHALLENGE_TLS_ALPN_01:
        ok = publish_tls(s, authorization, fail);
        break;
    case CONFIG_CHALLENGE_HTTP_01:
        ok = publish_http(s, token, authorization, fail);
        break;
    case CONFIG_CHALLENGE_DNS_01:
        ok = publish_dns(s, authorization, fail);
        break;
    }
    free(authorization);
    if (ok)
        log_info("challenge for %s published", s->config->domain);
    else
        publish_withdraw(s);
    return ok;
}

void publish_withdraw(struct session *s)
{
    store_clear_challenges(&s->store);
    withdraw_record(s);
}
