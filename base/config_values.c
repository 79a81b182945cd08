/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_words.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/text.h"

#define LINE_MAX_BYTES 512
#define MAX_DNS_WAIT   600 /* derp-acme.service has 15 minutes for all */
#define MAX_ACCEPT     1000000
#define MAX_WORKERS    64

bool config_value_domain(const char *value, void *target, struct fault *f)
{
    struct endpoint address;
    const char *why;
    char lower[256];
    if (!value[0])
        return setting_string(value, target, f);
    if (endpoint_parse_ip(value, &address)) {
        char text[ENDPOINT_TEXT];
        if (strchr(value, '%') || strcmp(endpoint_print_ip(&address, text), "0.0.0.0") == 0 ||
            strcmp(text, "::") == 0)
            return config_bad_value(f, "an address that clients can reach", value);
        endpoint_unmap(&address);
        return setting_string(endpoint_print_ip(&address, text), target, f);
    }
    if (!text_is_hostname(value, &why)) {
        char shown[CONFIG_SHOWN];
        text_printable(value, strlen(value), shown, sizeof shown);
        return fault_set(f, "\"%s\" is not a host name: %s", shown, why);
    }
    text_lower(value, lower, sizeof lower);
    return setting_string(lower, target, f);
}

static bool add_endpoint(const char *word, uint16_t port, struct config_endpoints *list,
                         struct fault *f)
{
    struct endpoint one;
    if (!endpoint_parse(word, port, &one))
        return config_bad_value(f, "addresses such as 0.0.0.0:443 or [::]:443", word);
    endpoint_unmap(&one); /* a socket for IPv6 serves IPv6 only */
    if (list->count == CONFIG_MAX_LISTEN)
        return fault_set(f, "more than %d addresses", CONFIG_MAX_LISTEN);
    for (size_t i = 0; i < list->count; i++) {
        /* Port 0 is "any free one", so that the same address may stand twice. */
        if (endpoint_port(&one) != 0 && memcmp(&one, &list->list[i], sizeof one) == 0)
            return fault_set(f, "%s is listed twice", word);
    }
    list->list[list->count++] = one;
    return true;
}

/* "off", or addresses separated by white space. */
bool config_value_endpoints(const char *value, uint16_t port, struct config_endpoints *target,
                            struct fault *f)
{
    struct config_endpoints list = {.count = 0};
    if (!value[0])
        return fault_set(f, "expected addresses, or off");
    if (strcmp(value, "off") != 0) {
        char *copy = mem_strdup(value);
        char *rest = copy;
        char *word;
        bool ok = true;
        while (ok && (word = config_next_word(&rest)))
            ok = add_endpoint(word, port, &list, f);
        free(copy);
        if (!ok)
            return false;
    }
    *target = list;
    return true;
}

bool config_value_listen(const char *value, void *target, struct fault *f)
{
    struct config_endpoints *list = target;
    if (!value[0] || strcmp(value, "off") == 0)
        return fault_set(f, "a relay listens somewhere; write for example 0.0.0.0:443 [::]:443");
    return config_value_endpoints(value, 443, list, f);
}

bool config_value_listen_proxy(const char *value, void *target, struct fault *f)
{
    return config_value_endpoints(value, 443, target, f);
}

static bool add_network(const char *word, struct config_networks *list, struct fault *f)
{
    struct network one;
    if (!network_parse(word, &one))
        return config_bad_value(
            f,
            "addresses and networks such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32 "
            "(with no bits set behind the prefix)",
            word);
    if (one.prefix == 0)
        return fault_set(f,
                         "%s is everybody, and whoever connects there may claim any address; name "
                         "the load balancers",
                         word);
    if (list->count == CONFIG_MAX_NETWORKS)
        return fault_set(f, "more than %d networks", CONFIG_MAX_NETWORKS);
    list->list[list->count++] = one;
    return true;
}

bool config_value_networks(const char *value, void *target, struct fault *f)
{
    struct config_networks list = {.count = 0};
    char *copy = mem_strdup(value);
    char *rest = copy;
    char *word;
    bool ok = true;
    while (ok && (word = config_next_word(&rest)))
        ok = add_network(word, &list, f);
    free(copy);
    if (ok)
        *(struct config_networks *)target = list;
    return ok;
}

bool config_value_stun(const char *value, void *target, struct fault *f)
{
    return config_value_endpoints(value, 3478, target, f);
}

bool config_value_http(const char *value, void *target, struct fault *f)
{
    return config_value_endpoints(value, 80, target, f);
}

bool config_value_metrics(const char *value, void *target, struct fault *f)
{
    struct config_endpoints list;
    if (!config_value_endpoints(value, 3340, &list, f))
        return false;
    if (list.count > 1)
        return fault_set(f, "one address at most");
    if (list.count == 1 && !endpoint_is_loopback(&list.list[0]))
        return fault_set(f,
                         "%s is not a loopback address; metrics and status have no login, so "
                         "they are served on this host only: write 127.0.0.1:3340, or off",
                         value);
    *(struct config_endpoints *)target = list;
    return true;
}

bool config_value_workers(const char *value, void *target, struct fault *f)
{
    uint64_t n = 0;
    if (strcmp(value, "auto") != 0 && !text_number(value, 1, MAX_WORKERS, &n))
        return config_bad_value(f, "auto or a number from 1 to 64", value);
    *(unsigned *)target = (unsigned)n;
    return true;
}

bool config_value_accept(const char *value, void *target, struct fault *f)
{
    uint64_t n = 0;
    if (value[0] && strcmp(value, "off") != 0 && !text_number(value, 1, MAX_ACCEPT, &n))
        return config_bad_value(f, "a number of connections from 1 to 1000000, or off", value);
    *(unsigned *)target = (unsigned)n;
    return true;
}

/* A folder that the programs cannot do without. */
bool config_value_folder(const char *value, void *target, struct fault *f)
{
    if (!value[0])
        return fault_set(f, "expected the path of a folder");
    return setting_path(value, target, f);
}

/* The position of value among words (NULL-terminated), which is the enum's value. */
static bool parse_choice(const char *value, const char *const words[], const char *expected,
                         unsigned *choice, struct fault *f)
{
    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(value, words[i]) == 0) {
            *choice = i;
            return true;
        }
    }
    return config_bad_value(f, expected, value);
}

bool config_value_source(const char *value, void *target, struct fault *f)
{
    static const char *const words[] = {"acme", "files", "self-signed", NULL};
    unsigned choice = 0;
    if (!parse_choice(value, words, "acme, files or self-signed", &choice, f))
        return false;
    *(enum config_source *)target = (enum config_source)choice;
    return true;
}

bool config_value_challenge(const char *value, void *target, struct fault *f)
{
    static const char *const words[] = {"tls-alpn-01", "http-01", "dns-01", NULL};
    unsigned choice = 0;
    if (!parse_choice(value, words, "tls-alpn-01, http-01 or dns-01", &choice, f))
        return false;
    *(enum config_challenge *)target = (enum config_challenge)choice;
    return true;
}

/* What the kernel has is seen when it is used. */
bool config_value_congestion(const char *value, void *target, struct fault *f)
{
    size_t n = strlen(value);

    if (strcmp(value, "system") == 0)
        return setting_string("", target, f);
    if (n > 0 && n < NET_CONGESTION_MAX &&
        strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n)
        return setting_string(value, target, f);
    return config_bad_value(
        f, "system, or the name of a TCP congestion control such as cubic or bbr", value);
}

/* The home page: a word, a URL to redirect to, or a file. */
bool config_value_home(const char *value, void *target, struct fault *f)
{
    if (!value[0] || strcmp(value, "default") == 0)
        return setting_string("", target, f);
    if (strcmp(value, "blank") == 0 || config_url_is_sound(value, "https://") ||
        config_url_is_sound(value, "http://"))
        return setting_string(value, target, f);
    if (value[0] == '/')
        return setting_path(value, target, f);
    return config_bad_value(f, "default, blank, the URL to redirect to, or the path of a page",
                            value);
}

static bool add_name(const char *word, struct config_names *names, struct fault *f)
{
    const char *why;
    char lower[256], shown[CONFIG_SHOWN];
    if (!text_is_hostname(word, &why)) {
        text_printable(word, strlen(word), shown, sizeof shown);
        return fault_set(f, "expected host names separated by spaces; \"%s\": %s", shown, why);
    }
    if (names->count == CONFIG_MAX_NAMES)
        return fault_set(f, "more than %d names", CONFIG_MAX_NAMES);
    text_lower(word, lower, sizeof lower);
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i], lower) == 0)
            return fault_set(f, "%s is listed twice", lower);
    }
    names->list[names->count++] = mem_strdup(lower);
    return true;
}

bool config_value_names(const char *value, void *target, struct fault *f)
{
    char *copy = mem_strdup(value);
    char *rest = copy;
    char *word;
    bool ok = true;
    while (ok && (word = config_next_word(&rest)))
        ok = add_name(word, target, f);
    free(copy);
    return ok;
}

bool config_value_directory(const char *value, void *target, struct fault *f)
{
    return config_value_other_directory(value[0] ? value : CONFIG_ACME_DIRECTORY, target, f);
}

bool config_value_other_directory(const char *value, void *target, struct fault *f)
{
    if (!value[0])
        return setting_string(value, target, f);
    if (text_starts(value, "http://"))
        return fault_set(f,
                         "an ACME directory is reached by https:// only: over http:// anybody on "
                         "the way could answer as the CA");
    if (!config_url_is_sound(value, "https://"))
        return config_bad_value(f, "a URL that begins with https://", value);
    return setting_string(value, target, f);
}

bool config_value_email(const char *value, void *target, struct fault *f)
{
    const char *at = strchr(value, '@');
    if (value[0] &&
        (!at || at == value || !text_is_hostname(at + 1, NULL) || strpbrk(value, " \t,;:<>\"?")))
        return config_bad_value(f, "one address such as admin@example.com", value);
    return setting_string(value, target, f);
}

bool config_value_profile(const char *value, void *target, struct fault *f)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.";
    if (value[strspn(value, allowed)] != '\0')
        return config_bad_value(f, "the name of a profile that the CA offers", value);
    return setting_string(value, target, f);
}

/* Text that a CA or a person chose, in one printable line. */
bool config_value_line(const char *value, void *target, struct fault *f)
{
    for (const char *p = value; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return fault_set(f, "expected text without control characters");
    }
    if (strlen(value) > LINE_MAX_BYTES)
        return fault_set(f, "expected at most %d bytes of text", LINE_MAX_BYTES);
    return setting_string(value, target, f);
}

bool config_value_resolver(const char *value, void *target, struct fault *f)
{
    struct endpoint *e = target;
    if (!value[0]) {
        memset(e, 0, sizeof *e);
        return true;
    }
    if (!endpoint_parse(value, 53, e) || endpoint_port(e) == 0)
        return config_bad_value(f, "an address such as 192.0.2.53 or [2001:db8::53]:5353", value);
    return true;
}

bool config_value_public_resolvers(const char *value, void *target, struct fault *f)
{
    struct config_endpoints list;
    if (value[0] && !config_value_endpoints(value, 53, &list, f))
        return false;
    return setting_string(value, target, f);
}

/* "stun:HOST", "stun:HOST:PORT" or "https://…". */
static bool check_witness(const char *word, struct fault *f)
{
    const char *scheme = "stun:";
    char host[256];
    uint64_t port;
    if (config_url_is_sound(word, "https://"))
        return true;
    const char *name = text_starts(word, scheme) ? word + strlen(scheme) : "";
    size_t n = strcspn(name, ":");
    if (n > 0 && n < sizeof host && (!name[n] || text_number(name + n + 1, 1, 65535, &port))) {
        snprintf(host, sizeof host, "%.*s", (int)n, name);
        struct endpoint e;
        if (text_is_hostname(host, NULL) || endpoint_parse_ip(host, &e))
            return true;
    }
    return config_bad_value(f, "stun:HOST:PORT or https://…", word);
}

bool config_value_address_from(const char *value, void *target, struct fault *f)
{
    char *copy = mem_strdup(value);
    char *rest = copy;
    char *word;
    bool ok = true;
    while (ok && strcmp(value, "off") != 0 && (word = config_next_word(&rest)))
        ok = check_witness(word, f);
    free(copy);
    return ok && setting_string(value, target, f);
}

bool config_value_program(const char *value, void *target, struct fault *f)
{
    if (value[0] && value[0] != '/')
        return config_bad_value(f, "the absolute path of a program", value);
    return setting_path(value, target, f);
}

bool config_value_dns_wait(const char *value, void *target, struct fault *f)
{
    uint64_t seconds = 0;
    if (!text_duration(value, MAX_DNS_WAIT, &seconds))
        return config_bad_value(f, "a time of at most 10m", value);
    *(uint64_t *)target = seconds;
    return true;
}
