/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who listens on a port. Public header: the installer's preflight names the process that holds
 * 443/tcp or 3478/udp, and the firewall names what default-deny would cut off.
 */
#ifndef FIREWALL_PORTS_H
#define FIREWALL_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/net.h"

enum ports_proto { PORTS_TCP, PORTS_UDP };

/* "tcp", "udp". */
const char *ports_proto_name(enum ports_proto proto);

/* One listening TCP socket or unconnected UDP socket. Strings are never NULL. */
struct ports_owner {
    enum ports_proto proto;
    struct endpoint local; /* the address it is bound to; :: or 0.0.0.0 for all */
    bool public_address;   /* reachable from outside: not loopback, not link-local */
    pid_t pid;             /* 0: no process holds it (the kernel itself, e.g. WireGuard) */
    char comm[32];         /* "nginx"; "kernel" when pid is 0 */
    char unit[128];        /* "nginx.service", "" when unknown */
    char container[80];    /* "docker 3f2c1d…", "lxc web", "" when not in one */
};

struct ports_list {
    struct ports_owner *list;
    size_t count;
};

/*
 * The listeners on one port, at any address. A port is free when the count is 0.
 * false with a reason when it could not be found out.
 */
bool ports_owner(enum ports_proto proto, uint16_t port, struct ports_list *found, struct fault *f);

/* "nginx (pid 812, nginx.service)" or "docker-proxy (pid 90, docker 3f2c1d…)" into text. */
char *ports_owner_print(const struct ports_owner *owner, char *text, size_t cap);

/* Frees the list; it is empty and usable. Safe on a zeroed list. */
void ports_free(struct ports_list *all);

#endif
