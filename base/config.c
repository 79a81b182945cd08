/* SPDX-License-Identifier: Apache-2.0 */
/* To add an option: a field in config.h, a row in the table below, a parser in config_values.c
 * unless there is one, a paragraph in derp.conf(5). */
#include "base/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/config_values.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/settings.h"

/* --- The table ---------------------------------------------------------------------------------
 */

#define ROW(section, key, parse, field)                                                            \
    {                                                                                              \
        section, key, parse, offsetof(struct config, field)                                        \
    }

/* Rows of a section stand together (settings.c lists the sections by that). */
static const struct setting table[] = {
    ROW("relay", "domain", config_value_domain, domain),
    ROW("relay", "listen", config_value_listen, listen),
    ROW("relay", "listen-proxy", config_value_listen_proxy, listen_proxy),
    ROW("relay", "proxy-from", config_value_networks, proxy_from),
    ROW("relay", "stun", config_value_stun, stun),
    ROW("relay", "http", config_value_http, http),
    ROW("relay", "metrics", config_value_metrics, metrics),
    ROW("relay", "workers", config_value_workers, workers),
    ROW("relay", "accept-limit", config_value_accept, accept_limit),
    ROW("relay", "accept-burst", config_value_accept, accept_burst),
    ROW("relay", "uplink", setting_rate, uplink),
    ROW("relay", "congestion", config_value_congestion, congestion),
    ROW("relay", "home", config_value_home, home),
    ROW("relay", "bootstrap-dns", config_value_names, bootstrap_dns),
    ROW("relay", "state-dir", config_value_folder, state_dir),
    ROW("relay", "mesh-key-file", setting_path, mesh_key_file),
    {"relay", "mesh-with", config_value_mesh_with, 0},
    ROW("relay", "mesh-ca-file", setting_path, mesh_ca_file),
    ROW("certificate", "source", config_value_source, source),
    ROW("certificate", "dir", config_value_folder, cert_dir),
    ROW("certificate", "chain", setting_path, chain),
    ROW("certificate", "key", setting_path, key),
    ROW("acme", "directory", config_value_directory, acme_directory),
    ROW("acme", "ca-file", setting_path, acme_ca_file),
    ROW("acme", "email", config_value_email, acme_email),
    ROW("acme", "challenge", config_value_challenge, challenge),
    ROW("acme", "profile", config_value_profile, acme_profile),
    ROW("acme", "profile-required", setting_bool, profile_required),
    ROW("acme", "preferred-chain", config_value_line, preferred_chain),
    ROW("acme", "eab-key-id", config_value_line, eab_key_id),
    ROW("acme", "eab-key-file", setting_path, eab_key_file),
    ROW("acme", "dns-hook", config_value_program, dns_hook),
    ROW("acme", "dns-wait", config_value_dns_wait, dns_wait),
    ROW("acme", "fallback-directory", config_value_other_directory, fallback_directory),
    ROW("acme", "fallback-ca-file", setting_path, fallback_ca_file),
    ROW("acme", "fallback-eab-key-id", config_value_line, fallback_eab_key_id),
    ROW("acme", "fallback-eab-key-file", setting_path, fallback_eab_key_file),
    ROW("acme", "staging-directory", config_value_other_directory, staging_directory),
    ROW("acme", "hook", config_value_program, acme_hook),
    ROW("dns", "root-hints", setting_path, dns_root_hints),
    ROW("dns", "trust-anchor", setting_path, dns_trust_anchor),
    ROW("dns", "resolver", config_value_resolver, dns_resolver),
    ROW("dns", "public-resolvers", config_value_public_resolvers, dns_public_resolvers),
    ROW("dns", "address-from", config_value_address_from, dns_address_from),
    {"admission", "allow", config_value_allow, 0},
    ROW("admission", "fail-open", setting_bool, fail_open),
    ROW("admission", "recheck", config_value_recheck, recheck),
    ROW("admission", "refuse-apps", config_value_apps, refuse_apps),
};

#define TABLE_ROWS (sizeof table / sizeof *table)

static void default_endpoints(struct config_endpoints *list, const char *value, uint16_t port)
{
    config_value_endpoints(value, port, list, NULL);
}

void config_init(struct config *c)
{
    *c = (struct config){
        .source = CONFIG_SOURCE_ACME,
        .challenge = CONFIG_CHALLENGE_TLS_ALPN_01,
        .state_dir = mem_strdup("/var/lib/derp"),
        .cert_dir = mem_strdup("/var/lib/derp-acme"),
        .acme_directory = mem_strdup(CONFIG_ACME_DIRECTORY),
        .dns_wait = 300,
        .recheck = 600,
    };
    default_endpoints(&c->listen, "0.0.0.0 [::]", 443);
    default_endpoints(&c->stun, "0.0.0.0 [::]", 3478);
    default_endpoints(&c->metrics, "127.0.0.1", 3340);
}

void config_free(struct config *c)
{
    char *const strings[] = {
        c->domain,
        c->state_dir,
        c->mesh_key_file,
        c->mesh_ca_file,
        c->cert_dir,
        c->chain,
        c->key,
        c->acme_directory,
        c->acme_ca_file,
        c->acme_email,
        c->acme_profile,
        c->dns_root_hints,
        c->dns_trust_anchor,
        c->refuse_apps,
        c->home,
        c->congestion,
        c->preferred_chain,
        c->eab_key_id,
        c->eab_key_file,
        c->dns_hook,
        c->fallback_directory,
        c->fallback_ca_file,
        c->fallback_eab_key_id,
        c->fallback_eab_key_file,
        c->staging_directory,
        c->acme_hook,
        c->dns_public_resolvers,
        c->dns_address_from,
    };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        free(strings[i]);
    for (size_t i = 0; i < c->allow_count; i++)
        free(c->allow[i].where);
    for (size_t i = 0; i < c->mesh_count; i++) {
        free(c->mesh_with[i].host);
        free(c->mesh_with[i].dial);
    }
    for (size_t i = 0; i < c->bootstrap_dns.count; i++)
        free(c->bootstrap_dns.list[i]);
    *c = (struct config){0};
}

/* --- The whole ---------------------------------------------------------------------------------
 */

static bool check_acme(const char *name, const struct config *c, struct fault *f)
{
    if (c->source == CONFIG_SOURCE_ACME && c->challenge == CONFIG_CHALLENGE_HTTP_01 &&
        c->http.count == 0)
        return fault_set(f,
                         "%s: challenge = http-01 needs derpd on port 80: set http = 0.0.0.0:80 "
                         "[::]:80 in [relay], open 80/tcp in the firewall, and restart derpd",
                         name);
    if (c->source == CONFIG_SOURCE_ACME && c->challenge == CONFIG_CHALLENGE_DNS_01 && !c->dns_hook)
        return fault_set(f,
                         "%s: challenge = dns-01 needs dns-hook, a program that changes the DNS; "
                         "there are examples in /usr/share/doc/derp-relay/examples/dns-hooks",
                         name);
    if (!c->eab_key_id != !c->eab_key_file)
        return fault_set(f,
                         "%s: eab-key-id and eab-key-file go together: the CA gives both; %s is "
                         "missing",
                         name, c->eab_key_id ? "eab-key-file" : "eab-key-id");
    if (!c->fallback_eab_key_id != !c->fallback_eab_key_file)
        return fault_set(f,
                         "%s: fallback-eab-key-id and fallback-eab-key-file go together: the CA "
                         "gives both; %s is missing",
                         name,
                         c->fallback_eab_key_id ? "fallback-eab-key-file" : "fallback-eab-key-id");
    if (!c->fallback_directory && (c->fallback_ca_file || c->fallback_eab_key_id))
        return fault_set(f, "%s: fallback-ca-file and fallback-eab-key-id need fallback-directory",
                         name);
    if (c->fallback_directory && strcmp(c->fallback_directory, c->acme_directory) == 0)
        return fault_set(f, "%s: fallback-directory is the same CA as directory", name);
    return true;
}

/* What one line alone cannot tell. */
static bool check_together(const char *name, const struct config *c, struct fault *f)
{
    if (c->source == CONFIG_SOURCE_ACME && !c->domain)
        return fault_set(f,
                         "%s: source = acme needs a domain in [relay]; without a name of your "
                         "own use source = files or self-signed",
                         name);
    if (c->source == CONFIG_SOURCE_FILES && (!c->chain || !c->key))
        return fault_set(f,
                         "%s: source = files needs chain and key in [certificate]; %s is missing",
                         name, !c->chain ? "chain" : "key");
    if (c->accept_burst > 0 && c->accept_limit == 0)
        return fault_set(f, "%s: accept-burst needs accept-limit", name);
    if (c->listen_proxy.count > 0 && c->proxy_from.count == 0)
        return fault_set(f,
                         "%s: listen-proxy needs proxy-from, the addresses of the load balancers: "
                         "only they are believed when they say who connects",
                         name);
    if (c->mesh_count > 0 && !c->mesh_key_file)
        return fault_set(f,
                         "%s: mesh-with needs mesh-key-file, the key that the region's nodes "
                         "share",
                         name);
    return check_acme(name, c, f);
}

bool config_parse(const char *name, const char *text, struct config *c, struct fault *f)
{
    config_free(c);
    config_init(c);
    if (settings_read(name, text, table, TABLE_ROWS, c, f) && check_together(name, c, f))
        return true;
    config_free(c);
    config_init(c);
    return false;
}

bool config_load(const char *path, struct config *c, struct fault *f)
{
    struct buf text;
    bool ok = false;
    buf_init(&text, CONFIG_MAX_BYTES);
    if (!file_read(path, &text, f))
        goto out;
    if (memchr(buf_text(&text), '\0', text.len)) {
        fault_set(f, "%s: it has a NUL byte, so it is not a text file", path);
        goto out;
    }
    ok = config_parse(path, buf_text(&text), c, f);
out:
    if (!ok) {
        config_free(c);
        config_init(c);
    }
    buf_free(&text);
    return ok;
}
