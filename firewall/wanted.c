/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/wanted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define RELAY_PORT 443
#define STUN_PORT  3478 /* RFC 8489 */

static void add(struct wanted_list *all, enum wanted_kind kind, enum ports_proto proto,
                uint16_t port)
{
    if (wanted_has(all, proto, port))
        return;
    all->list = mem_resize(all->list, all->count + 1, sizeof *all->list);
    all->list[all->count++] = (struct wanted){.kind = kind, .at = {.proto = proto, .port = port}};
}

void wanted_make(const struct firewall_options *o, const struct firewall_ssh_port *ssh,
                 size_t ssh_count, struct wanted_list *all)
{
    *all = (struct wanted_list){0};
    for (size_t i = 0; i < ssh_count; i++)
        add(all, WANTED_SSH, PORTS_TCP, ssh[i].port);
    add(all, WANTED_RELAY, PORTS_TCP, o->relay_port ? o->relay_port : RELAY_PORT);
    if (!o->no_stun)
        add(all, WANTED_STUN, PORTS_UDP, o->stun_port ? o->stun_port : STUN_PORT);
    for (size_t i = 0; i < o->allow_count; i++)
        add(all, WANTED_ALLOW, o->allow[i].proto, o->allow[i].port);
}

bool wanted_has(const struct wanted_list *all, enum ports_proto proto, uint16_t port)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].at.proto == proto && all->list[i].at.port == port)
            return true;
    return false;
}

void wanted_free(struct wanted_list *all)
{
    free(all->list);
    *all = (struct wanted_list){0};
}

const char *wanted_name(enum wanted_kind kind)
{
    static const char *const names[] = {"SSH", "relay", "STUN", "--allow"};
    return names[kind];
}

const char *wanted_comment(enum wanted_kind kind)
{
    static const char *const comments[] = {"derp-relay: SSH", "derp-relay: TLS", "derp-relay: STUN",
                                           "derp-relay: allowed"};
    return comments[kind];
}

char *wanted_print(const struct firewall_port *at, char text[static WANTED_TEXT])
{
    snprintf(text, WANTED_TEXT, "%u/%s", at->port, ports_proto_name(at->proto));
    return text;
}

bool firewall_port_parse(const char *text, struct firewall_port *port, struct fault *f)
{
    char number[8];
    uint64_t value;
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : sizeof number;
    if (n >= sizeof number)
        return fault_set(f, "\"%.40s\" is not PORT/tcp or PORT/udp", text);
    memcpy(number, text, n);
    number[n] = '\0';
    bool tcp = strcmp(slash, "/tcp") == 0;
    if (!text_number(number, 1, UINT16_MAX, &value) || (!tcp && strcmp(slash, "/udp") != 0))
        return fault_set(f, "\"%.40s\" is not PORT/tcp or PORT/udp", text);
    *port = (struct firewall_port){.proto = tcp ? PORTS_TCP : PORTS_UDP, .port = (uint16_t)value};
    return true;
}
