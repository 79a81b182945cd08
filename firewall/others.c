/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/others.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "firewall/reach.h"

/* Let in by ufw's own /etc/ufw/before.rules, or answers to what we asked; or LLMNR, which is for
 * neighbours on the link (RFC 4795) and which systemd-resolved offers unasked. */
static bool is_client_port(const struct ports_owner *owner)
{
    if (endpoint_port(&owner->local) == 5355 && text_starts(owner->comm, "systemd-resolve"))
        return true;
    static const uint16_t ports[] = {68, 546, 1900, 5353}; /* DHCP, DHCPv6, SSDP, mDNS */
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
        if (owner->proto == PORTS_UDP && endpoint_port(&owner->local) == ports[i])
            return true;
    return false;
}

/* Programs that serve on UDP ports of the range that clients usually get theirs from. */
static bool serves_high_ports(const struct ports_owner *owner)
{
    static const char *const names[] = {"mosh-server", "tailscaled", "openvpn",  "wireguard-go",
                                        "turnserver",  "charon",     "hysteria", "derpd"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(owner->comm, names[i]) == 0)
            return true;
    return owner->pid == 0; /* the kernel's own: WireGuard and other tunnels */
}

bool others_is_docker(const struct ports_owner *owner)
{
    return strcmp(owner->comm, "docker-proxy") == 0;
}

static bool is_service(const struct ports_owner *owner, const struct others_range *ephemeral)
{
    uint16_t port = endpoint_port(&owner->local);
    if (!owner->public_address || others_is_docker(owner) || is_client_port(owner))
        return false;
    bool high = owner->proto == PORTS_UDP && port >= ephemeral->low && port <= ephemeral->high;
    return !high || serves_high_ports(owner);
}

static bool will_be_closed(const struct ports_owner *owner, const struct firewall_facts *facts)
{
    struct wanted w = {.kind = WANTED_ALLOW,
                       .at = {.proto = owner->proto, .port = endpoint_port(&owner->local)}};
    struct endpoint local = owner->local;
    endpoint_unmap(&local);
    /* A listener on :: answers IPv4, too; what is open there is open enough. */
    enum family family =
        local.any.sa_family == AF_INET6 && !IN6_IS_ADDR_UNSPECIFIED(&local.in6.sin6_addr)
            ? FAMILY_IP6
            : FAMILY_IP4;
    bool open_now = !facts->ufw.status.active ||
                    reach_suffices(reach_by_table(facts, &facts->kernel[family], family, &w).reach);
    return open_now && !reach_suffices(reach_by_ufw(facts, family, &w).reach);
}

static bool has_port(const struct ports_list *list, const struct ports_owner *owner)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->list[i].proto == owner->proto &&
            endpoint_port(&list->list[i].local) == endpoint_port(&owner->local))
            return true;
    return false;
}

void others_find(const struct ports_list *listeners, const struct wanted_list *wanted,
                 const struct firewall_facts *facts, const struct others_range *ephemeral,
                 struct ports_list *others)
{
    for (size_t i = 0; i < listeners->count; i++) {
        const struct ports_owner *owner = &listeners->list[i];
        if (!is_service(owner, ephemeral) ||
            wanted_has(wanted, owner->proto, endpoint_port(&owner->local)) ||
            has_port(others, owner) || !will_be_closed(owner, facts))
            continue;
        others->list = mem_resize(others->list, others->count + 1, sizeof *others->list);
        others->list[others->count++] = *owner;
    }
}
