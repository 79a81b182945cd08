/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/values.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_values.h"
#include "base/text.h"

#define CONFIRM_MIN 10 /* seconds */
#define CONFIRM_MAX 3600

/* --- Values ------------------------------------------------------------------------------------
 */

/* Each stores a value, or says what is wrong with it; the caller adds the flag's name. */

bool take_log_file(const char *value, struct options *o, struct fault *f)
{
    if (value[0] != '/')
        return fault_set(f, "not an absolute path");
    o->log_file = value;
    return true;
}

static bool take_address(const char *value, int family, struct endpoint *e, struct fault *f)
{
    if (!endpoint_parse_ip(value, e) || e->any.sa_family != family)
        return fault_set(f, "not an %s address, nor auto", family == AF_INET ? "IPv4" : "IPv6");
    return true;
}

bool take_ip4(const char *value, struct options *o, struct fault *f)
{
    o->ip4_auto = strcmp(value, "auto") == 0;
    return o->ip4_auto || take_address(value, AF_INET, &o->ip4, f);
}

bool take_ip6(const char *value, struct options *o, struct fault *f)
{
    o->ip6_auto = strcmp(value, "auto") == 0;
    return o->ip6_auto || take_address(value, AF_INET6, &o->ip6, f);
}

bool take_ip(const char *value, struct options *o, struct fault *f)
{
    if (!endpoint_parse_ip(value, &o->ip4) || o->ip4.any.sa_family != AF_INET)
        return fault_set(f, "not an IPv4 address, which most clients need to reach the relay");
    o->ip = true;
    return true;
}

bool take_wait_dns(const char *value, struct options *o, struct fault *f)
{
    if (!text_duration(value, 7 * 86400, &o->wait_dns))
        return fault_set(f, "not a duration of at most 7 days: a number with s, m or h, or 0");
    o->wait_dns_given = true;
    return true;
}

/* A bare number is seconds. */
bool take_confirm_timeout(const char *value, struct options *o, struct fault *f)
{
    uint64_t seconds;
    if ((!text_number(value, 0, CONFIRM_MAX, &seconds) &&
         !text_duration(value, CONFIRM_MAX, &seconds)) ||
        (seconds > 0 && seconds < CONFIRM_MIN))
        return fault_set(f, "not 0 or a duration from 10s to 1h");
    o->confirm_timeout = seconds;
    o->confirm_timeout_given = true;
    return true;
}

bool take_firewall(const char *value, struct options *o, struct fault *f)
{
    if (strcmp(value, "ufw") == 0)
        o->firewall = FIREWALL_CHOICE_UFW;
    else if (strcmp(value, "none") == 0)
        o->firewall = FIREWALL_CHOICE_NONE;
    else
        return fault_set(f, "not ufw or none");
    o->firewall_given = true;
    return true;
}

static bool take_number(const char *value, uint64_t min, uint64_t max, uint64_t *n, struct fault *f)
{
    if (!text_number(value, min, max, n))
        return fault_set(f, "not a number from %u to %u", (unsigned)min, (unsigned)max);
    return true;
}

/* Splits "22,2222" without changing it: copies the next part, returns what follows or NULL. */
static const char *next_part(const char *list, char *part, size_t cap)
{
    const char *comma = strchr(list, ',');
    size_t n = comma ? (size_t)(comma - list) : strlen(list);
    if (n >= cap)
        n = cap - 1; /* too long for any port: refused by its parser */
    memcpy(part, list, n);
    part[n] = '\0';
    return comma ? comma + 1 : NULL;
}

bool take_ssh_port(const char *value, struct options *o, struct fault *f)
{
    char part[16];
    for (const char *rest = value; rest;) {
        uint64_t port;
        rest = next_part(rest, part, sizeof part);
        if (!take_number(part, 1, 65535, &port, f))
            return false;
        if (o->ssh_port_count == OPTIONS_MAX_PORTS)
            return fault_set(f, "more than %d ports", OPTIONS_MAX_PORTS);
        o->ssh_ports[o->ssh_port_count++] = (uint16_t)port;
    }
    return true;
}

bool take_allow(const char *value, struct options *o, struct fault *f)
{
    char part[16];
    for (const char *rest = value; rest;) {
        uint64_t port;
        rest = next_part(rest, part, sizeof part);
        char *slash = strchr(part, '/');
        bool udp = slash && strcmp(slash, "/udp") == 0;
        if (!slash || (!udp && strcmp(slash, "/tcp") != 0))
            return fault_set(f, "not PORT/tcp or PORT/udp");
        *slash = '\0';
        if (!take_number(part, 1, 65535, &port, f))
            return false;
        if (o->allow_count == OPTIONS_MAX_PORTS)
            return fault_set(f, "more than %d ports", OPTIONS_MAX_PORTS);
        o->allow[o->allow_count++] = (struct option_port){.port = (uint16_t)port, .udp = udp};
    }
    return true;
}

bool take_port(const char *value, struct options *o, struct fault *f)
{
    uint64_t n;
    if (!take_number(value, 1, 65535, &n, f))
        return false;
    o->port = (uint16_t)n;
    return true;
}

bool take_stun_port(const char *value, struct options *o, struct fault *f)
{
    uint64_t n;
    if (!take_number(value, 1, 65535, &n, f))
        return false;
    o->stun_port = (uint16_t)n;
    return true;
}

bool take_uplink(const char *value, struct options *o, struct fault *f)
{
    uint64_t rate;
    if (strcmp(value, "off") != 0 && !text_rate(value, &rate))
        return fault_set(f, "not a rate such as 4mbit, 512kbit or 1gbit, nor off");
    o->uplink = value;
    return true;
}

/* No byte that could end the value in the config: controls, and white space before '#' or ';'. */
static bool is_plain_word(const char *s)
{
    for (; *s; s++)
        if (!isgraph((unsigned char)*s))
            return false;
    return true;
}

/* Over http only to this machine: elsewhere anybody on the way could admit clients. */
static bool is_admission_url(const char *value)
{
    static const char *const starts[] = {"url:https://", "url:http://127.0.0.1", "url:http://[::1]",
                                         "url:http://localhost"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        size_t n = strlen(starts[i]);
        if (text_starts(value, starts[i]) &&
            (i ? strchr(":/", value[n]) != NULL : value[n] != '\0'))
            return true;
    }
    return false;
}

bool take_clients(const char *value, struct options *o, struct fault *f)
{
    bool known = strcmp(value, "anyone") == 0 || strcmp(value, "tailscaled") == 0 ||
                 (text_starts(value, "tailscaled:/") && value[12]) || is_admission_url(value) ||
                 (text_starts(value, "keys:/") && value[6]);
    if (!known || !is_plain_word(value))
        return fault_set(f, "not anyone, tailscaled, url:https://… or keys:/FILE");
    o->clients = value;
    return true;
}

bool take_region_id(const char *value, struct options *o, struct fault *f)
{
    uint64_t n;
    /* Tailscale keeps 900..999 free for regions of one's own (tailcfg.DERPRegion). */
    if (!take_number(value, 900, 999, &n, f))
        return false;
    o->region_id = (unsigned)n;
    return true;
}

bool take_region_code(const char *value, struct options *o, struct fault *f)
{
    size_t n = strlen(value);
    if (n == 0 || n > 32 ||
        strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != n)
        return fault_set(f, "not 1 to 32 letters, digits, hyphens and underscores");
    o->region_code = value;
    return true;
}

/* Well-formed UTF-8 (RFC 3629) but for the finer rules on overlong forms: JSON needs as much. */
static bool is_utf8(const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        int more = *s < 0x80   ? 0
                   : *s < 0xc2 ? -1
                   : *s < 0xe0 ? 1
                   : *s < 0xf0 ? 2
                   : *s < 0xf5 ? 3
                               : -1;
        if (more < 0)
            return false;
        for (s++; more > 0; more--)
            if ((*s++ & 0xc0) != 0x80)
                return false;
    }
    return true;
}

bool take_region_name(const char *value, struct options *o, struct fault *f)
{
    size_t n = strlen(value);
    if (n == 0 || n > 64)
        return fault_set(f, "not 1 to 64 bytes long");
    for (const char *s = value; *s; s++)
        if ((unsigned char)*s < 0x20 || (unsigned char)*s == 0x7f)
            return fault_set(f, "contains a control character");
    if (!is_utf8(value))
        return fault_set(f, "not UTF-8");
    o->region_name = value;
    return true;
}

bool take_email(const char *value, struct options *o, struct fault *f)
{
    const char *at = strchr(value, '@');
    if (!at || at == value || !text_is_hostname(at + 1, NULL) || !is_plain_word(value) ||
        strpbrk(value, "#;,<>\"'"))
        return fault_set(f, "not an e-mail address");
    o->email = value;
    return true;
}

bool take_acme_directory(const char *value, struct options *o, struct fault *f)
{
    if (!text_starts(value, "https://") || !value[8] || value[8] == '/' || !is_plain_word(value))
        return fault_set(f, "not an https:// URL");
    o->acme_directory = value;
    return true;
}

/* Config values are trimmed and end at " #": such paths cannot be written down. */
static bool take_path(const char *value, const char **path, struct fault *f)
{
    if (value[0] != '/')
        return fault_set(f, "not an absolute path");
    if (!is_plain_word(value))
        return fault_set(f, "a path with spaces or control characters is not supported");
    *path = value;
    return true;
}

bool take_acme_ca_file(const char *value, struct options *o, struct fault *f)
{
    return take_path(value, &o->acme_ca_file, f);
}

bool take_certificate(const char *value, struct options *o, struct fault *f)
{
    if (strcmp(value, "acme") == 0)
        o->certificate = CERTIFICATE_CHOICE_ACME;
    else if (strcmp(value, "self-signed") == 0)
        o->certificate = CERTIFICATE_CHOICE_SELF_SIGNED;
    else
        return fault_set(f, "acme or self-signed is wanted here");
    return true;
}

/* A value that the config takes as it is; there a comment begins at "#" and ";". */
static bool take_setting(const char *value, const char **field,
                         bool (*check)(const char *value, void *target, struct fault *f),
                         struct fault *f)
{
    char *parsed = NULL;
    size_t n = strlen(value);
    if (strpbrk(value, "#;\"\r\n") ||
        (n && (isspace((unsigned char)value[0]) || isspace((unsigned char)value[n - 1]))))
        return fault_set(f, "it has a character that cannot be written into the configuration");
    bool fine = check(value, &parsed, f);
    free(parsed);
    if (fine)
        *field = value;
    return fine;
}

bool take_acme_challenge(const char *value, struct options *o, struct fault *f)
{
    enum config_challenge parsed;
    if (!config_value_challenge(value, &parsed, f))
        return false;
    o->acme_challenge = value;
    return true;
}

bool take_acme_profile(const char *value, struct options *o, struct fault *f)
{
    return take_setting(value, &o->acme_profile, config_value_profile, f);
}

bool take_acme_preferred_chain(const char *value, struct options *o, struct fault *f)
{
    return take_setting(value, &o->acme_preferred_chain, config_value_line, f);
}

bool take_acme_eab_key_id(const char *value, struct options *o, struct fault *f)
{
    return take_setting(value, &o->acme_eab_key_id, config_value_line, f);
}

bool take_acme_dns_hook(const char *value, struct options *o, struct fault *f)
{
    return take_setting(value, &o->acme_dns_hook, config_value_program, f);
}

bool take_acme_hook(const char *value, struct options *o, struct fault *f)
{
    return take_setting(value, &o->acme_hook, config_value_program, f);
}

bool take_acme_fallback_directory(const char *value, struct options *o, struct fault *f)
{
    return take_setting(value, &o->acme_fallback_directory, config_value_other_directory, f);
}

bool take_acme_fallback_eab_key_id(const char *value, struct options *o, struct fault *f)
{
    return take_setting(value, &o->acme_fallback_eab_key_id, config_value_line, f);
}

static bool take_optional_path(const char *value, const char **path, struct fault *f)
{
    if (*value)
        return take_path(value, path, f);
    *path = value;
    return true;
}

bool take_acme_eab_key_file(const char *value, struct options *o, struct fault *f)
{
    return take_optional_path(value, &o->acme_eab_key_file, f);
}

bool take_acme_fallback_ca_file(const char *value, struct options *o, struct fault *f)
{
    return take_optional_path(value, &o->acme_fallback_ca_file, f);
}

bool take_acme_fallback_eab_key_file(const char *value, struct options *o, struct fault *f)
{
    return take_optional_path(value, &o->acme_fallback_eab_key_file, f);
}

bool take_dns_root_hints(const char *value, struct options *o, struct fault *f)
{
    return take_path(value, &o->dns_root_hints, f);
}

bool take_dns_trust_anchor(const char *value, struct options *o, struct fault *f)
{
    return take_path(value, &o->dns_trust_anchor, f);
}

bool take_dns_resolver(const char *value, struct options *o, struct fault *f)
{
    struct endpoint e;
    if (!endpoint_parse(value, 53, &e))
        return fault_set(f, "not an address or address:port");
    o->dns_resolver = value;
    return true;
}

/* A list for the configuration, where white space separates. */
static void take_list(const char *value, char list[static OPTIONS_LIST])
{
    snprintf(list, OPTIONS_LIST, "%s", value);
    for (char *c = list; *c; c++)
        if (*c == ',')
            *c = ' ';
}

bool take_public_resolvers(const char *value, struct options *o, struct fault *f)
{
    char *parsed = NULL;
    if (!*value || strlen(value) >= OPTIONS_LIST)
        return fault_set(f, "addresses are wanted here, or off");
    take_list(value, o->public_resolvers);
    bool fine = config_value_public_resolvers(o->public_resolvers, &parsed, f);
    free(parsed);
    return fine;
}

bool take_address_from(const char *value, struct options *o, struct fault *f)
{
    char *parsed = NULL;
    if (!*value || strlen(value) >= OPTIONS_LIST)
        return fault_set(f, "stun:HOST:PORT or https://… are wanted here, or off");
    take_list(value, o->address_from);
    bool fine = config_value_address_from(o->address_from, &parsed, f);
    free(parsed);
    return fine;
}

bool take_format(const char *value, struct options *o, struct fault *f)
{
    if (strcmp(value, "tailscale") == 0)
        o->format = MAP_TAILSCALE;
    else if (strcmp(value, "headscale") == 0)
        o->format = MAP_HEADSCALE;
    else
        return fault_set(f, "not tailscale or headscale");
    return true;
}

bool take_report(const char *value, struct options *o, struct fault *f)
{
    if (!*value || value[strlen(value) - 1] == '/')
        return fault_set(f, "not the name of a file");
    o->report = value;
    return true;
}

bool take_confirm(const char *value, struct options *o, struct fault *f)
{
    if (!*value)
        return fault_set(f, "the relay's domain is wanted here");
    o->confirm = value;
    return true;
}
