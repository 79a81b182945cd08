/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config_values.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/text.h"

#define LINE_MAX_BYTES 512
#define MAX_DNS_WAIT   600 /* derp-acme.service has 15 minutes for all */
#define MAX_ACCEPT     1000000
#define MAX_WORKERS    64
#define MAX_RECHECK    (24 * 60 * 60) /* seconds */

/* --- Parsers of single values ------------------------------------------------------------------
 */

#define SHOWN 120 /* how much of a bad value an error repeats */

static bool bad_value(struct fault *f, const char *expected, const char *value)
{
    char shown[SHOWN];
    text_printable(value, strlen(value), shown, sizeof shown);
    return fault_set(f, "expected %s, found \"%s\"", expected, shown);
}

/* Cuts the next word off *rest; NULL when there is none. Changes the text in place. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \t");
    if (*word == '\0')
        return NULL;
    char *end = word + strcspn(word, " \t");
    *rest = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

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
            return bad_value(f, "an address that clients can reach", value);
        endpoint_unmap(&address);
        return setting_string(endpoint_print_ip(&address, text), target, f);
    }
    if (!text_is_hostname(value, &why)) {
        char shown[SHOWN];
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
        return bad_value(f, "addresses such as 0.0.0.0:443 or [::]:443", word);
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
        while (ok && (word = next_word(&rest)))
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
        return bad_value(f,
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
    while (ok && (word = next_word(&rest)))
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
        return bad_value(f, "auto or a number from 1 to 64", value);
    *(unsigned *)target = (unsigned)n;
    return true;
}

bool config_value_accept(const char *value, void *target, struct fault *f)
{
    uint64_t n = 0;
    if (value[0] && strcmp(value, "off") != 0 && !text_number(value, 1, MAX_ACCEPT, &n))
        return bad_value(f, "a number of connections from 1 to 1000000, or off", value);
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
    return bad_value(f, expected, value);
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

/* What may stand in a URL unescaped (RFC 3986 2), and a host after the scheme. */
static bool url_is_sound(const char *url, const char *scheme)
{
    for (const char *p = url; *p; p++) {
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || strchr("\"<>\\^`{|}", *p))
            return false;
    }
    return text_starts(url, scheme) && url[strlen(scheme)] != '\0' && url[strlen(scheme)] != '/';
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
    return bad_value(f, "system, or the name of a TCP congestion control such as cubic or bbr",
                     value);
}

/* The home page: a word, a URL to redirect to, or a file. */
bool config_value_home(const char *value, void *target, struct fault *f)
{
    if (!value[0] || strcmp(value, "default") == 0)
        return setting_string("", target, f);
    if (strcmp(value, "blank") == 0 || url_is_sound(value, "https://") ||
        url_is_sound(value, "http://"))
        return setting_string(value, target, f);
    if (value[0] == '/')
        return setting_path(value, target, f);
    return bad_value(f, "default, blank, the URL to redirect to, or the path of a page", value);
}

static bool add_name(const char *word, struct config_names *names, struct fault *f)
{
    const char *why;
    char lower[256], shown[SHOWN];
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
    while (ok && (word = next_word(&rest)))
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
    if (!url_is_sound(value, "https://"))
        return bad_value(f, "a URL that begins with https://", value);
    return setting_string(value, target, f);
}

bool config_value_email(const char *value, void *target, struct fault *f)
{
    const char *at = strchr(value, '@');
    if (value[0] &&
        (!at || at == value || !text_is_hostname(at + 1, NULL) || strpbrk(value, " \t,;:<>\"?")))
        return bad_value(f, "one address such as admin@example.com", value);
    return setting_string(value, target, f);
}

bool config_value_profile(const char *value, void *target, struct fault *f)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.";
    if (value[strspn(value, allowed)] != '\0')
        return bad_value(f, "the name of a profile that the CA offers", value);
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
        return bad_value(f, "an address such as 192.0.2.53 or [2001:db8::53]:5353", value);
    return true;
}

/* --- Admission ---------------------------------------------------------------------------------
 */

/* https, or http that does not leave this host. */
static bool check_admission_url(const char *url, struct fault *f)
{
    static const char *const local[] = {"127.0.0.1", "[::1]", "localhost"};
    if (url_is_sound(url, "https://"))
        return true;
    if (!url_is_sound(url, "http://"))
        return bad_value(f, "url:https://…", url);
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        const char *host = url + strlen("http://");
        size_t n = strlen(local[i]);
        if (text_starts(host, local[i]) && (host[n] == '\0' || host[n] == ':' || host[n] == '/'))
            return true;
    }
    return fault_set(f, "url: over http:// anybody on the way could admit clients; use https:// "
                        "(http:// is for 127.0.0.1, [::1] and localhost)");
}

static bool parse_allow_word(const char *word, struct config_allow_source *one, struct fault *f)
{
    static const struct {
        const char *prefix;
        enum config_allow kind;
    } kinds[] = {
        {"tailscaled:", CONFIG_ALLOW_TAILSCALED},
        {"url:", CONFIG_ALLOW_URL},
        {"keys:", CONFIG_ALLOW_KEYS},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!text_starts(word, kinds[i].prefix))
            continue;
        const char *where = word + strlen(kinds[i].prefix);
        if (!where[0])
            return fault_set(f, "%s needs a %s after the colon", word,
                             kinds[i].kind == CONFIG_ALLOW_URL ? "URL" : "path");
        if (kinds[i].kind == CONFIG_ALLOW_URL && !check_admission_url(where, f))
            return false;
        *one = (struct config_allow_source){kinds[i].kind, mem_strdup(where)};
        return true;
    }
    return bad_value(f, "anyone, or any of tailscaled:/path url:https://… keys:/path", word);
}

static bool add_allow(struct config *c, const char *word, struct fault *f)
{
    if (c->allow_count == CONFIG_MAX_SOURCES)
        return fault_set(f, "more than %d sources", CONFIG_MAX_SOURCES);
    if (!parse_allow_word(word, &c->allow[c->allow_count], f))
        return false;
    c->allow_count++;
    return true;
}

/* The row's offset is 0: it fills two fields of the config. */
bool config_value_allow(const char *value, void *target, struct fault *f)
{
    struct config *c = target;
    if (strcmp(value, "anyone") == 0)
        return true;
    if (!value[0])
        return fault_set(f, "it is empty; write anyone, or who may use the relay: "
                            "tailscaled:/path url:https://… keys:/path");

    char *copy = mem_strdup(value);
    char *rest = copy;
    char *word;
    bool ok = true;
    while (ok && (word = next_word(&rest))) {
        if (strcmp(word, "anyone") == 0)
            ok = fault_set(f, "anyone stands alone: with it the other sources would mean nothing");
        else
            ok = add_allow(c, word, f);
    }
    free(copy);
    return ok;
}

/* --- Mesh --------------------------------------------------------------------------------------
 */

static bool is_address_or_name(const char *host)
{
    struct endpoint address;
    return endpoint_parse_ip(host, &address) || text_is_hostname(host, NULL);
}

/* "host", "host:port", "[2001:db8::1]:port"; changes the text. */
static bool parse_host_port(char *text, struct config_mesh_node *node)
{
    char *port = NULL;
    uint64_t number = 443;
    struct endpoint address;
    if (text[0] == '[') {
        char *end = strchr(text, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return false;
        port = end[1] == ':' ? end + 2 : NULL;
        *end = '\0';
        text++;
        if (!endpoint_parse_ip(text, &address))
            return false;
    } else if (strchr(text, ':') == strrchr(text, ':')) {
        port = strchr(text, ':');
        if (port)
            *port++ = '\0';
    }
    if ((port && !text_number(port, 1, UINT16_MAX, &number)) || !is_address_or_name(text))
        return false;
    node->host = mem_strdup(text);
    node->port = (uint16_t)number;
    return true;
}

static bool parse_mesh_word(char *word, struct config_mesh_node *node, struct fault *f)
{
    char *copy = mem_strdup(word);
    char *slash = strchr(copy, '/');
    bool ok;
    if (slash)
        *slash++ = '\0';
    ok = (!slash || is_address_or_name(slash)) && parse_host_port(copy, node);
    if (ok && slash)
        node->dial = mem_strdup(slash);
    free(copy);
    return ok ||
           bad_value(f, "relays such as b.demo.com c.demo.com:8443 d.demo.com/10.0.0.4", word);
}

/* The row's offset is 0: it fills two fields of the config. */
bool config_value_mesh_with(const char *value, void *target, struct fault *f)
{
    struct config *c = target;
    char *copy = mem_strdup(value);
    char *rest = copy;
    char *word;
    bool ok = true;
    while (ok && (word = next_word(&rest))) {
        if (c->mesh_count == CONFIG_MAX_MESH)
            ok = fault_set(f, "more than %d relays", CONFIG_MAX_MESH);
        else if ((ok = parse_mesh_word(word, &c->mesh_with[c->mesh_count], f)))
            c->mesh_count++;
    }
    free(copy);
    return ok;
}

bool config_value_program(const char *value, void *target, struct fault *f)
{
    if (value[0] && value[0] != '/')
        return bad_value(f, "the absolute path of a program", value);
    return setting_path(value, target, f);
}

bool config_value_dns_wait(const char *value, void *target, struct fault *f)
{
    uint64_t seconds = 0;
    if (!text_duration(value, MAX_DNS_WAIT, &seconds))
        return bad_value(f, "a time of at most 10m", value);
    *(uint64_t *)target = seconds;
    return true;
}

bool config_value_recheck(const char *value, void *target, struct fault *f)
{
    uint64_t seconds = 0;
    if (strcmp(value, "off") != 0 && (!text_duration(value, MAX_RECHECK, &seconds) || seconds == 0))
        return bad_value(f, "a time from 1s to 24h such as 10m, or off", value);
    *(uint64_t *)target = seconds;
    return true;
}

static bool add_app(struct buf *names, const char *name, struct fault *f)
{
    if (!name[0])
        return fault_set(f, "a name is missing before or after a comma");
    if (strlen(name) > CONFIG_MAX_APP_NAME)
        return bad_value(f, "names of 32 bytes at most, separated by commas", name);
    for (const char *p = name; *p; p++) {
        if (*p < ' ' || *p > '~')
            return bad_value(f, "names of printable ASCII, separated by commas", name);
    }
    if (names->len > 0)
        buf_puts(names, ",");
    buf_puts(names, name);
    return true;
}

/* Names may have spaces inside, so commas separate them, as in derper's option. */
bool config_value_apps(const char *value, void *target, struct fault *f)
{
    struct buf names;
    char *copy = mem_strdup(value);
    char *rest = value[0] ? copy : NULL;
    bool ok = true;

    buf_init(&names, CONFIG_MAX_BYTES);
    while (ok && rest) {
        char *name = strsep(&rest, ",");
        ok = add_app(&names, text_trim(name), f);
    }
    ok = ok && setting_string(buf_text(&names), target, f);
    buf_free(&names);
    free(copy);
    return ok;
}
