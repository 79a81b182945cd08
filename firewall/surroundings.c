/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/surroundings.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "firewall/kernel.h"
#include "firewall/systemd.h"
#include "firewall/ufw.h"

#define MAX_FILE (1U << 20)

static bool read_small(const char *path, struct buf *b)
{
    buf_init(b, MAX_FILE);
    return file_read(path, b, NULL);
}

void surroundings_parse_route(const char *text, char name[static 16])
{
    bool several = false;
    name[0] = '\0';
    char *copy = mem_strdup(text);
    for (char *rest = copy, *line; (line = strsep(&rest, "\n")) != NULL;) {
        char interface[16], target[16], gateway[16];
        if (sscanf(line, "%15s %15s %15s", interface, target, gateway) != 3 ||
            strcmp(target, "00000000") != 0)
            continue;
        several = several || (name[0] && strcmp(name, interface) != 0);
        memcpy(name, interface, sizeof interface);
    }
    if (several)
        name[0] = '\0';
    free(copy);
}

/* 2000::/3 is what the internet routes (RFC 4291 2.4). */
static bool is_public_ip6(const struct sockaddr *address)
{
    struct endpoint e = {0};
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(&e.in6, address, sizeof e.in6);
    return (e.in6.sin6_addr.s6_addr[0] & 0xe0) == 0x20;
}

static void read_addresses(struct firewall_facts *facts)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) < 0)
        return;
    char only[16] = "";
    bool several = false;
    for (struct ifaddrs *one = all; one; one = one->ifa_next) {
        if (!one->ifa_addr || one->ifa_flags & IFF_LOOPBACK)
            continue;
        if (is_public_ip6(one->ifa_addr))
            facts->public_ip6 = true;
        if (!(one->ifa_flags & IFF_UP))
            continue;
        several = several || (only[0] && strcmp(only, one->ifa_name) != 0);
        snprintf(only, sizeof only, "%s", one->ifa_name);
    }
    freeifaddrs(all);
    if (facts->interface[0] == '\0' && !several)
        memcpy(facts->interface, only, sizeof only);
}

void surroundings_read(struct firewall_facts *facts)
{
    struct buf b;
    facts->systemd = systemd_runs();
    facts->unit_enabled = facts->systemd && systemd_enabled(UFW_UNIT);
    facts->guard_enabled = facts->systemd && systemd_enabled(FIREWALL_GUARD_UNIT);
    facts->has_ip6 = kernel_has(FAMILY_IP6);
    facts->forwarding = surroundings_forward();
    surroundings_forwarded(facts->forwarded);
    if (read_small("/proc/net/route", &b))
        surroundings_parse_route(buf_text(&b), facts->interface);
    buf_free(&b);
    read_addresses(facts);
}

bool surroundings_is_forwarded(const char *name)
{
    static const char *const beginnings[] = {"wg",    "tun",     "tap",   "ppp",   "ipsec", "vti",
                                             "lxdbr", "incusbr", "lxcbr", "lxbr",  "virbr", "vmbr",
                                             "cni",   "podman",  "zt",    "nebula"};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (text_starts(name, beginnings[i]))
            return true;
    return false;
}

void surroundings_forwarded(char name[static 16])
{
    struct if_nameindex *all = if_nameindex();
    name[0] = '\0';
    for (struct if_nameindex *one = all; one && one->if_index; one++)
        if (!name[0] && surroundings_is_forwarded(one->if_name))
            snprintf(name, 16, "%s", one->if_name);
    if_freenameindex(all);
}

bool surroundings_forward(void)
{
    static const char *const paths[] = {"/proc/sys/net/ipv4/ip_forward",
                                        "/proc/sys/net/ipv6/conf/all/forwarding"};
    struct buf b;
    bool yes = false;
    for (size_t i = 0; i < 2; i++) {
        yes = (read_small(paths[i], &b) && buf_text(&b)[0] == '1') || yes;
        buf_free(&b);
    }
    return yes;
}

struct others_range surroundings_ephemeral(void)
{
    struct others_range range = {32768, 60999}; /* ip-sysctl.rst */
    unsigned low, high;
    struct buf b;
    if (read_small("/proc/sys/net/ipv4/ip_local_port_range", &b) &&
        sscanf(buf_text(&b), "%u %u", &low, &high) == 2 && low <= high && high <= UINT16_MAX)
        range = (struct others_range){(uint16_t)low, (uint16_t)high};
    buf_free(&b);
    return range;
}

/* What the provider writes there, like the other clouds, so that programs can know where they are.
 */
bool firewall_on_oracle(void)
{
    struct buf b;
    bool yes = read_small("/sys/class/dmi/id/chassis_asset_tag", &b) &&
               text_starts(buf_text(&b), "OracleCloud.com");
    buf_free(&b);
    return yes;
}
