/* SPDX-License-Identifier: Apache-2.0 */
#include "base/net.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* A zone is an interface's name or number (RFC 4007 11). */
static bool parse_zone(const char *zone, uint32_t *scope)
{
    uint64_t number;
    if (text_number(zone, 1, UINT32_MAX, &number)) {
        *scope = (uint32_t)number;
        return true;
    }
    *scope = if_nametoindex(zone);
    return *scope != 0;
}

static bool parse_ip6(char *s, struct endpoint *e)
{
    char *zone = strchr(s, '%');
    uint32_t scope = 0;
    if (zone) {
        *zone++ = '\0';
        if (!parse_zone(zone, &scope))
            return false;
    }
    struct in6_addr address;
    if (inet_pton(AF_INET6, s, &address) != 1)
        return false;
    memset(e, 0, sizeof *e);
    e->in6.sin6_family = AF_INET6;
    e->in6.sin6_addr = address;
    e->in6.sin6_scope_id = scope;
    return true;
}

static bool parse_ip4(const char *s, struct endpoint *e)
{
    struct in_addr address;
    if (inet_pton(AF_INET, s, &address) != 1)
        return false;
    memset(e, 0, sizeof *e);
    e->in4.sin_family = AF_INET;
    e->in4.sin_addr = address;
    return true;
}

/* Copies n bytes to a terminated text; false when they don't fit. */
static bool take(const char *s, size_t n, char text[static ENDPOINT_TEXT])
{
    if (n >= ENDPOINT_TEXT)
        return false;
    memcpy(text, s, n);
    text[n] = '\0';
    return true;
}

bool endpoint_parse_ip(const char *s, struct endpoint *e)
{
    char text[ENDPOINT_TEXT];
    if (!take(s, strlen(s), text))
        return false;
    return strchr(text, ':') ? parse_ip6(text, e) : parse_ip4(text, e);
}

/* ":443" or "" after an address. */
static bool parse_port(const char *s, uint16_t default_port, uint16_t *port)
{
    uint64_t value = default_port;
    if (*s == '\0' && default_port == 0)
        return false;
    if (*s != '\0' && (*s != ':' || !text_number(s + 1, 0, UINT16_MAX, &value)))
        return false;
    *port = (uint16_t)value;
    return true;
}

bool endpoint_parse(const char *s, uint16_t default_port, struct endpoint *e)
{
    char address[ENDPOINT_TEXT];
    const char *rest;
    struct endpoint parsed;
    bool bracket = s[0] == '[';
    if (bracket) {
        const char *end = strchr(s, ']');
        if (!end || !take(s + 1, (size_t)(end - s - 1), address) || !parse_ip6(address, &parsed))
            return false;
        rest = end + 1;
    } else if (strchr(s, ':') != strrchr(s, ':')) {
        /* Two colons and no bracket: IPv6 without a port. */
        if (!endpoint_parse_ip(s, &parsed))
            return false;
        rest = "";
    } else {
        size_t n = strcspn(s, ":");
        if (!take(s, n, address) || !parse_ip4(address, &parsed))
            return false;
        rest = s + n;
    }

    uint16_t port;
    if (!parse_port(rest, default_port, &port))
        return false;
    endpoint_set_port(&parsed, port);
    *e = parsed;
    return true;
}

static void append_zone(uint32_t scope, char text[static ENDPOINT_TEXT])
{
    char name[IF_NAMESIZE];
    size_t n = strlen(text);
    if (scope == 0)
        return;
    if (if_indextoname(scope, name))
        snprintf(text + n, ENDPOINT_TEXT - n, "%%%s", name);
    else
        snprintf(text + n, ENDPOINT_TEXT - n, "%%%u", scope);
}

char *endpoint_print_ip(const struct endpoint *e, char text[static ENDPOINT_TEXT])
{
    if (e->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &e->in4.sin_addr, text, ENDPOINT_TEXT);
    } else if (e->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &e->in6.sin6_addr, text, ENDPOINT_TEXT);
        append_zone(e->in6.sin6_scope_id, text);
    } else {
        snprintf(text, ENDPOINT_TEXT, "unset");
    }
    return text;
}

char *endpoint_print(const struct endpoint *e, char text[static ENDPOINT_TEXT])
{
    char ip[ENDPOINT_TEXT];
    endpoint_print_ip(e, ip);
    if (e->any.sa_family == AF_INET)
        snprintf(text, ENDPOINT_TEXT, "%.15s:%u", ip, endpoint_port(e));
    else if (e->any.sa_family == AF_INET6)
        snprintf(text, ENDPOINT_TEXT, "[%.71s]:%u", ip, endpoint_port(e));
    else
        snprintf(text, ENDPOINT_TEXT, "unset");
    return text;
}

socklen_t endpoint_len(const struct endpoint *e)
{
    switch (e->any.sa_family) {
    case AF_INET:
        return sizeof e->in4;
    case AF_INET6:
        return sizeof e->in6;
    default:
        return 0;
    }
}

uint16_t endpoint_port(const struct endpoint *e)
{
    switch (e->any.sa_family) {
    case AF_INET:
        return ntohs(e->in4.sin_port);
    case AF_INET6:
        return ntohs(e->in6.sin6_port);
    default:
        return 0;
    }
}

void endpoint_set_port(struct endpoint *e, uint16_t port)
{
    if (e->any.sa_family == AF_INET)
        e->in4.sin_port = htons(port);
    else if (e->any.sa_family == AF_INET6)
        e->in6.sin6_port = htons(port);
}

void endpoint_unmap(struct endpoint *e)
{
    if (e->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&e->in6.sin6_addr))
        return;
    struct endpoint plain;
    memset(&plain, 0, sizeof plain);
    plain.in4.sin_family = AF_INET;
    plain.in4.sin_port = e->in6.sin6_port;
    memcpy(&plain.in4.sin_addr, e->in6.sin6_addr.s6_addr + 12, 4);
    *e = plain;
}

bool endpoint_same_ip(const struct endpoint *a, const struct endpoint *b)
{
    uint8_t x[16];
    uint8_t y[16];
    if (endpoint_len(a) == 0 || endpoint_len(b) == 0)
        return false;
    endpoint_bytes16(a, x);
    endpoint_bytes16(b, y);
    return memcmp(x, y, sizeof x) == 0;
}

bool endpoint_is_loopback(const struct endpoint *e)
{
    struct endpoint plain = *e;
    endpoint_unmap(&plain);
    if (plain.any.sa_family == AF_INET)
        return ntohl(plain.in4.sin_addr.s_addr) >> 24 == 127;
    return plain.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&plain.in6.sin6_addr);
}

void endpoint_bytes16(const struct endpoint *e, uint8_t bytes[static 16])
{
    memset(bytes, 0, 16);
    if (e->any.sa_family == AF_INET6) {
        memcpy(bytes, e->in6.sin6_addr.s6_addr, 16);
    } else if (e->any.sa_family == AF_INET) {
        bytes[10] = bytes[11] = 0xff;
        memcpy(bytes + 12, &e->in4.sin_addr, 4);
    }
}

bool endpoint_in(const struct endpoint *e, const struct endpoint *base, unsigned prefix)
{
    uint8_t x[16];
    uint8_t y[16];
    unsigned bits = prefix + (base->any.sa_family == AF_INET ? 96 : 0);
    if (e->any.sa_family != base->any.sa_family)
        return false;
    endpoint_bytes16(e, x);
    endpoint_bytes16(base, y);
    if (memcmp(x, y, bits / 8) != 0)
        return false;
    return bits % 8 == 0 || (x[bits / 8] ^ y[bits / 8]) >> (8 - bits % 8) == 0;
}

/* Is nothing set behind the prefix? */
static bool is_base(const struct endpoint *e, unsigned prefix)
{
    uint8_t bytes[16];
    unsigned bits = prefix + (e->any.sa_family == AF_INET ? 96 : 0);
    endpoint_bytes16(e, bytes);
    for (unsigned i = bits; i < 128; i++) {
        if ((bytes[i / 8] >> (7 - i % 8) & 1) != 0)
            return false;
    }
    return true;
}

bool network_parse(const char *s, struct network *n)
{
    char text[ENDPOINT_TEXT];
    struct network parsed;
    if (!take(s, strlen(s), text) || strchr(text, '%'))
        return false;
    char *slash = strchr(text, '/');
    if (slash)
        *slash++ = '\0';
    if (!endpoint_parse_ip(text, &parsed.base))
        return false;
    bool is_ip4 = parsed.base.any.sa_family == AF_INET;
    uint64_t prefix = is_ip4 ? 32 : 128;
    if (slash && !text_number(slash, 0, prefix, &prefix))
        return false;
    parsed.prefix = (unsigned)prefix;
    if (!is_base(&parsed.base, parsed.prefix) ||
        (!is_ip4 && IN6_IS_ADDR_V4MAPPED(&parsed.base.in6.sin6_addr)))
        return false;
    *n = parsed;
    return true;
}

bool network_has(const struct network *n, const struct endpoint *e)
{
    struct endpoint plain = *e;
    endpoint_unmap(&plain);
    return endpoint_in(&plain, &n->base, n->prefix);
}
