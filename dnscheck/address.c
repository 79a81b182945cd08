/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/address.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/translate.h"

struct range {
    uint8_t prefix[16];
    unsigned bits;
    enum address_kind kind;
};

/* First match wins, so the narrower range comes first. IPv4 ranges hold their bytes in front. */
static const struct range ranges4[] = {
    {{0}, 8, ADDRESS_UNSPECIFIED},
    {{10}, 8, ADDRESS_PRIVATE},
    {{100, 64}, 10, ADDRESS_CGNAT},
    {{127}, 8, ADDRESS_LOOPBACK},
    {{169, 254}, 16, ADDRESS_LINK_LOCAL},
    {{172, 16}, 12, ADDRESS_PRIVATE},
    {{192, 0, 0, 9}, 32, ADDRESS_PUBLIC},  /* PCP anycast, RFC 7723 */
    {{192, 0, 0, 10}, 32, ADDRESS_PUBLIC}, /* TURN anycast, RFC 8155 */
    {{192, 0, 0}, 24, ADDRESS_RESERVED},
    {{192, 0, 2}, 24, ADDRESS_DOCUMENTATION},
    {{192, 88, 99}, 24, ADDRESS_RESERVED}, /* 6to4 anycast, RFC 7526 */
    {{192, 168}, 16, ADDRESS_PRIVATE},
    {{198, 18}, 15, ADDRESS_RESERVED}, /* benchmarking, RFC 2544 */
    {{198, 51, 100}, 24, ADDRESS_DOCUMENTATION},
    {{203, 0, 113}, 24, ADDRESS_DOCUMENTATION},
    {{224}, 4, ADDRESS_MULTICAST},
    {{240}, 4, ADDRESS_RESERVED},
};

static const struct range ranges6[] = {
    {{0}, 128, ADDRESS_UNSPECIFIED},
    {{[15] = 1}, 128, ADDRESS_LOOPBACK},
    {{0x01, 0x00}, 64, ADDRESS_RESERVED},             /* discard, RFC 6666 */
    {{0x20, 0x01, 0x00, 0x02}, 48, ADDRESS_RESERVED}, /* benchmarking, RFC 5180 */
    {{0x20, 0x01, 0x00, 0x20}, 28, ADDRESS_RESERVED}, /* ORCHIDv2, RFC 7343 */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, ADDRESS_DOCUMENTATION},
    {{0x20, 0x02}, 16, ADDRESS_RESERVED}, /* 6to4, RFC 7526 */
    {{0x3f, 0xff}, 20, ADDRESS_DOCUMENTATION},
    {{0x20}, 3, ADDRESS_PUBLIC}, /* 2000::/3, all that is handed out */
    {{0xfc}, 7, ADDRESS_PRIVATE},
    {{0xfe, 0x80}, 10, ADDRESS_LINK_LOCAL},
    {{0xff}, 8, ADDRESS_MULTICAST},
    {{0}, 0, ADDRESS_RESERVED},
};

static bool in_range(const uint8_t *bytes, const struct range *r)
{
    unsigned whole = r->bits / 8, rest = r->bits % 8;
    if (memcmp(bytes, r->prefix, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    unsigned mask = 0xffu << (8 - rest) & 0xffu;
    return (bytes[whole] & mask) == (r->prefix[whole] & mask);
}

static enum address_kind lookup(const uint8_t *bytes, const struct range *r, size_t count,
                                enum address_kind otherwise)
{
    for (size_t i = 0; i < count; i++) {
        if (in_range(bytes, &r[i]))
            return r[i].kind;
    }
    return otherwise;
}

enum address_kind address_classify(const struct endpoint *e)
{
    struct endpoint plain = *e;
    endpoint_unmap(&plain);
    if (plain.any.sa_family == AF_INET)
        return lookup((const uint8_t *)&plain.in4.sin_addr, ranges4,
                      sizeof ranges4 / sizeof *ranges4, ADDRESS_PUBLIC);
    if (plain.any.sa_family == AF_INET6)
        return lookup(plain.in6.sin6_addr.s6_addr, ranges6, sizeof ranges6 / sizeof *ranges6,
                      ADDRESS_RESERVED);
    return ADDRESS_UNSPECIFIED;
}

const char *address_kind_text(enum address_kind kind)
{
    switch (kind) {
    case ADDRESS_PUBLIC:
    case ADDRESS_DOCUMENTATION:
        return "";
    case ADDRESS_CGNAT:
        return N_("a carrier-NAT address (100.64.0.0/10)");
    case ADDRESS_PRIVATE:
        return N_("a private address");
    case ADDRESS_LINK_LOCAL:
        return N_("a link-local address");
    case ADDRESS_LOOPBACK:
        return N_("a loopback address");
    case ADDRESS_MULTICAST:
        return N_("a multicast address");
    case ADDRESS_UNSPECIFIED:
        return N_("not an address of a host");
    case ADDRESS_RESERVED:
        return N_("a reserved address");
    }
    return "";
}

bool address_is_public(const struct endpoint *e)
{
    enum address_kind kind = address_classify(e);
    return kind == ADDRESS_PUBLIC || kind == ADDRESS_DOCUMENTATION;
}

void address_set_add(struct address_set *set, const struct endpoint *e)
{
    if (address_set_has(set, e))
        return;
    if (set->count == ADDRESS_SET_MAX) {
        set->cut = true;
        return;
    }
    set->list[set->count] = *e;
    endpoint_set_port(&set->list[set->count++], 0);
}

bool address_set_has(const struct address_set *set, const struct endpoint *e)
{
    for (size_t i = 0; i < set->count; i++) {
        if (endpoint_same_ip(&set->list[i], e))
            return true;
    }
    return false;
}

const char *address_set_print(const struct address_set *set, char *text, size_t cap)
{
    /* Four addresses are as many as a person compares; more would bury the sentence. */
    const size_t shown = set->count > 4 ? 4 : set->count;

    snprintf(text, cap, "%s", "");
    if (set->count == 0)
        translate_print(text, cap, "none");
    for (size_t i = 0; i < shown; i++) {
        char ip[ENDPOINT_TEXT];
        const char *between = i == 0 ? "" : i + 1 == set->count ? N_(" and ") : N_(", ");
        translate_append(text, cap, "%s%s", between, endpoint_print_ip(&set->list[i], ip));
    }
    if (shown < set->count)
        translate_append(text, cap, " and %zu more", set->count - shown);
    return text;
}

static bool from_sockaddr(const struct sockaddr *sa, struct endpoint *e)
{
    *e = (struct endpoint){0};
    if (sa->sa_family == AF_INET) {
        memcpy(&e->in4, sa, sizeof e->in4);
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        memcpy(&e->in6, sa, sizeof e->in6);
        e->in6.sin6_scope_id = 0;
        return true;
    }
    return false;
}

static bool counts(const struct ifaddrs *i)
{
    return i->ifa_addr && (i->ifa_flags & IFF_UP) && !(i->ifa_flags & IFF_LOOPBACK) &&
           !text_starts(i->ifa_name, "tailscale");
}

bool address_scan(struct address_pair *found, struct fault *f)
{
    struct ifaddrs *all;
    *found = (struct address_pair){0};
    if (getifaddrs(&all) != 0)
        return fault_errno(f, "cannot list the network interfaces");

    /* Public ones first: a host with many bridges must not crowd them out of the set. */
    for (int public = 1; public >= 0; public --) {
        for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
            struct endpoint e;
            if (counts(i) && from_sockaddr(i->ifa_addr, &e) && address_is_public(&e) == public)
                address_set_add(e.any.sa_family == AF_INET ? &found->ip4 : &found->ip6, &e);
        }
    }
    freeifaddrs(all);
    return true;
}
