/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/desired.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/translate.h"
#include "installer/confedit.h"

#define TEXT_MAX 2048

enum {
    EDIT_DOMAIN,
    EDIT_LISTEN,
    EDIT_STUN,
    EDIT_HTTP,
    EDIT_UPLINK,
    EDIT_SOURCE,
    EDIT_DIRECTORY,
    EDIT_CA_FILE,
    EDIT_EMAIL,
    EDIT_CHALLENGE,
    EDIT_PROFILE,
    EDIT_PREFERRED_CHAIN,
    EDIT_EAB_KEY_ID,
    EDIT_EAB_KEY_FILE,
    EDIT_DNS_HOOK,
    EDIT_HOOK,
    EDIT_FALLBACK,
    EDIT_FALLBACK_CA_FILE,
    EDIT_FALLBACK_EAB_KEY_ID,
    EDIT_FALLBACK_EAB_KEY_FILE,
    EDIT_ROOT_HINTS,
    EDIT_TRUST_ANCHOR,
    EDIT_RESOLVER,
    EDIT_PUBLIC_RESOLVERS,
    EDIT_ADDRESS_FROM,
    EDIT_ALLOW,
    EDIT_COUNT,
};

static const struct confedit managed[EDIT_COUNT] = {
    [EDIT_DOMAIN] = {"relay", "domain", NULL},
    [EDIT_LISTEN] = {"relay", "listen", NULL},
    [EDIT_STUN] = {"relay", "stun", NULL},
    [EDIT_HTTP] = {"relay", "http", NULL},
    [EDIT_UPLINK] = {"relay", "uplink", NULL},
    [EDIT_SOURCE] = {"certificate", "source", NULL},
    [EDIT_DIRECTORY] = {"acme", "directory", NULL},
    [EDIT_CA_FILE] = {"acme", "ca-file", NULL},
    [EDIT_EMAIL] = {"acme", "email", NULL},
    [EDIT_CHALLENGE] = {"acme", "challenge", NULL},
    [EDIT_PROFILE] = {"acme", "profile", NULL},
    [EDIT_PREFERRED_CHAIN] = {"acme", "preferred-chain", NULL},
    [EDIT_EAB_KEY_ID] = {"acme", "eab-key-id", NULL},
    [EDIT_EAB_KEY_FILE] = {"acme", "eab-key-file", NULL},
    [EDIT_DNS_HOOK] = {"acme", "dns-hook", NULL},
    [EDIT_HOOK] = {"acme", "hook", NULL},
    [EDIT_FALLBACK] = {"acme", "fallback-directory", NULL},
    [EDIT_FALLBACK_CA_FILE] = {"acme", "fallback-ca-file", NULL},
    [EDIT_FALLBACK_EAB_KEY_ID] = {"acme", "fallback-eab-key-id", NULL},
    [EDIT_FALLBACK_EAB_KEY_FILE] = {"acme", "fallback-eab-key-file", NULL},
    [EDIT_ROOT_HINTS] = {"dns", "root-hints", NULL},
    [EDIT_TRUST_ANCHOR] = {"dns", "trust-anchor", NULL},
    [EDIT_RESOLVER] = {"dns", "resolver", NULL},
    [EDIT_PUBLIC_RESOLVERS] = {"dns", "public-resolvers", NULL},
    [EDIT_ADDRESS_FROM] = {"dns", "address-from", NULL},
    [EDIT_ALLOW] = {"admission", "allow", NULL},
};

uint16_t desired_port(const struct config *c)
{
    return c->listen.count ? endpoint_port(&c->listen.list[0]) : 443;
}

uint16_t desired_stun_port(const struct config *c)
{
    return c->stun.count ? endpoint_port(&c->stun.list[0]) : 0;
}

bool desired_has_no_domain(const struct config *c)
{
    struct endpoint address;
    return c->domain && endpoint_parse_ip(c->domain, &address);
}

static void merge_ip(const struct endpoint *given, bool forget, char **setting)
{
    char text[ENDPOINT_TEXT];
    if (given->any.sa_family != AF_UNSPEC)
        journal_set(setting, endpoint_print_ip(given, text));
    else if (forget)
        journal_set(setting, NULL);
}

void desired_settings(const struct options *o, struct journal_settings *s)
{
    merge_ip(&o->ip4, o->ip4_auto, &s->ip4);
    merge_ip(&o->ip6, o->ip6_auto || o->no_ipv6, &s->ip6);
    if (o->no_ipv6)
        s->no_ipv6 = true;
    else if (o->ip6.any.sa_family != AF_UNSPEC || o->ip6_auto)
        s->no_ipv6 = false;
    if (o->firewall_given)
        s->no_firewall = o->firewall == FIREWALL_CHOICE_NONE;
    if (o->region_id)
        s->region_id = o->region_id;
    if (o->region_code)
        journal_set(&s->region_code, o->region_code);
    if (o->region_name)
        journal_set(&s->region_name, o->region_name);
}

/* --- The edits ---------------------------------------------------------------------------------
 */

struct listens {
    char tcp[64];
    char udp[64];
    char http[64];
};

static void print_listen(char text[static 64], uint16_t port, bool ipv6)
{
    if (ipv6)
        snprintf(text, 64, "0.0.0.0:%u [::]:%u", port, port);
    else
        snprintf(text, 64, "0.0.0.0:%u", port);
}

/* Is any of the endpoints IPv6? */
static bool has_ipv6(const struct config_endpoints *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].any.sa_family == AF_INET6)
            return true;
    return false;
}

/* Lists are rewritten only for a reason, so that hand-made ones survive. */
static bool must_rewrite(const struct config_endpoints *old, bool ipv6, bool asked_for_ipv6)
{
    return ipv6 ? asked_for_ipv6 && !has_ipv6(old) : has_ipv6(old);
}

static void edit_listen(const struct options *o, const struct config *old, bool ipv6,
                        struct listens *text, struct confedit *edits)
{
    uint16_t port = o->port ? o->port : desired_port(old);
    uint16_t stun = o->stun_port ? o->stun_port : desired_stun_port(old);
    bool asked = o->ip6.any.sa_family != AF_UNSPEC || o->ip6_auto;
    print_listen(text->tcp, port, ipv6);
    print_listen(text->udp, stun, ipv6);
    if (port != desired_port(old) || must_rewrite(&old->listen, ipv6, asked))
        edits[EDIT_LISTEN].value = text->tcp;
    if (stun != desired_stun_port(old) || (stun && must_rewrite(&old->stun, ipv6, asked)))
        edits[EDIT_STUN].value = text->udp;
    print_listen(text->http, 80, ipv6);
    if (o->acme_challenge && strcmp(o->acme_challenge, "http-01") == 0 && old->http.count == 0)
        edits[EDIT_HTTP].value = text->http;
}

static const char *directory_value(const struct options *o, const struct config *old)
{
    if (o->staging)
        return DESIRED_STAGING_DIRECTORY;
    if (o->acme_directory)
        return o->acme_directory;
    /* A run without --staging is meant for good. */
    if (strcmp(old->acme_directory, DESIRED_STAGING_DIRECTORY) == 0)
        return CONFIG_ACME_DIRECTORY;
    return NULL;
}

/* A relay that gets a domain wants a CA's certificate; one that has none keeps what it has. */
static const char *source_value(const struct options *o, const struct config *old)
{
    bool had_none = desired_has_no_domain(old);
    if (o->certificate == CERTIFICATE_CHOICE_ACME)
        return "acme";
    if (o->certificate == CERTIFICATE_CHOICE_SELF_SIGNED || (o->ip && !had_none))
        return "self-signed";
    return !o->ip && o->domain[0] && had_none ? "acme" : NULL;
}

/* The profile of certificates for addresses is of no use to a domain. */
static const char *profile_value(const struct options *o, const struct config *old)
{
    bool left_over = !o->ip && o->domain[0] && desired_has_no_domain(old) && old->acme_profile;
    return o->acme_profile || !left_over ? o->acme_profile : "";
}

static void collect_acme(const struct options *o, const struct config *old, struct confedit *edits)
{
    edits[EDIT_DIRECTORY].value = directory_value(o, old);
    edits[EDIT_CA_FILE].value = o->acme_ca_file;
    edits[EDIT_EMAIL].value = o->email;
    edits[EDIT_CHALLENGE].value = o->acme_challenge;
    edits[EDIT_PROFILE].value = profile_value(o, old);
    edits[EDIT_PREFERRED_CHAIN].value = o->acme_preferred_chain;
    edits[EDIT_EAB_KEY_ID].value = o->acme_eab_key_id;
    edits[EDIT_EAB_KEY_FILE].value = o->acme_eab_key_file;
    edits[EDIT_DNS_HOOK].value = o->acme_dns_hook;
    edits[EDIT_HOOK].value = o->acme_hook;
    edits[EDIT_FALLBACK].value = o->acme_fallback_directory;
    edits[EDIT_FALLBACK_CA_FILE].value = o->acme_fallback_ca_file;
    edits[EDIT_FALLBACK_EAB_KEY_ID].value = o->acme_fallback_eab_key_id;
    edits[EDIT_FALLBACK_EAB_KEY_FILE].value = o->acme_fallback_eab_key_file;
}

static void collect(const struct options *o, const struct config *old, struct confedit *edits)
{
    memcpy(edits, managed, sizeof managed);
    edits[EDIT_DOMAIN].value = o->domain[0] ? o->domain : NULL;
    edits[EDIT_UPLINK].value = o->uplink;
    edits[EDIT_SOURCE].value = source_value(o, old);
    collect_acme(o, old, edits);
    edits[EDIT_ROOT_HINTS].value = o->dns_root_hints;
    edits[EDIT_TRUST_ANCHOR].value = o->dns_trust_anchor;
    edits[EDIT_RESOLVER].value = o->dns_resolver;
    edits[EDIT_PUBLIC_RESOLVERS].value = o->public_resolvers[0] ? o->public_resolvers : NULL;
    edits[EDIT_ADDRESS_FROM].value = o->address_from[0] ? o->address_from : NULL;
    edits[EDIT_ALLOW].value = o->clients;
}

/* Names the edits that change something, "key old -> new". */
static void describe(const char *old_text, const struct confedit *edits, struct desired *w)
{
    char old[TEXT_MAX];
    struct buf b;
    buf_init(&b, 65536);
    for (size_t i = 0; i < EDIT_COUNT; i++) {
        const struct confedit *e = &edits[i];
        bool had = confedit_get(old_text, e->section, e->key, old, sizeof old);
        if (!e->value || (had && strcmp(old, e->value) == 0))
            continue;
        translate_buf(&b, "%s%s", b.len ? ", " : "", e->key);
        if (had && *old)
            translate_buf(&b, " %s ->", old);
        else if (had)
            translate_buf(&b, " (empty) ->");
        if (*e->value)
            translate_buf(&b, " %s", e->value);
        else
            translate_buf(&b, " (empty)");
        w->relay_changed |= strcmp(e->section, "relay") == 0 || i == EDIT_SOURCE;
        w->acme_changed |= i == EDIT_DIRECTORY || i == EDIT_DOMAIN || i == EDIT_SOURCE;
        w->accounts_changed |= strcmp(e->section, "acme") == 0;
    }
    w->changes = mem_strdup(buf_text(&b));
    buf_free(&b);
}

/* `tailscaled` alone. */
#define TAILSCALED_SOCKET "tailscaled:" DESIRED_TAILSCALED

bool desired_make(const struct options *o, const struct journal *j, const char *old_text,
                  bool kernel_has_ipv6, struct desired *w, struct fault *f)
{
    struct config old;
    struct confedit edits[EDIT_COUNT];
    struct listens listens;
    const char *base = old_text ? old_text : confedit_template();
    memset(w, 0, sizeof *w);
    config_init(&w->config);
    config_init(&old);
    bool fine = !old_text || config_parse(CONFIG_PATH, old_text, &old, f);
    if (fine) {
        w->old_domain = mem_strdup(old.domain);
        w->domain_changed = old.domain && o->domain[0] && strcmp(old.domain, o->domain) != 0;
        w->was_self_signed = old.source == CONFIG_SOURCE_SELF_SIGNED && old.domain &&
                             strcmp(old.domain, o->domain) == 0;
        collect(o, &old, edits);
        if (o->clients && strcmp(o->clients, "tailscaled") == 0)
            edits[EDIT_ALLOW].value = TAILSCALED_SOCKET;
        edit_listen(o, &old, kernel_has_ipv6 && !j->settings.no_ipv6, &listens, edits);
        describe(base, edits, w);
        w->text = confedit_apply(base, edits, EDIT_COUNT);
        /* Without a domain there is nothing to set up, and no whole config to judge. */
        if (old_text || o->domain[0])
            fine = config_parse(CONFIG_PATH, w->text, &w->config, f);
    }
    config_free(&old);
    return fine;
}

void desired_free(struct desired *w)
{
    free(w->text);
    free(w->changes);
    free(w->old_domain);
    config_free(&w->config);
    memset(w, 0, sizeof *w);
}
