/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets as /proc/net/{tcp,tcp6,udp,udp6} list them (proc(5)). Pure. */
#ifndef FIREWALL_PROCNET_H
#define FIREWALL_PROCNET_H

#include "base/net.h"
#include "firewall/ports.h"

/* States of the column "st": the kernel's enum in net/tcp_states.h. */
#define PROCNET_ESTABLISHED 1
#define PROCNET_CLOSE       7 /* an unconnected UDP socket */
#define PROCNET_LISTEN      10

struct procnet_socket {
    enum ports_proto proto;
    struct endpoint local;
    struct endpoint remote;
    unsigned state;
    unsigned long inode; /* 0: the kernel's own, or a closing connection */
};

struct procnet {
    struct procnet_socket *list;
    size_t count;
};

/*
 * Adds the sockets of one such file. Lines that cannot be read are skipped: the kernel adds
 * columns over time, and one odd line must not hide the others.
 */
void procnet_parse(const char *text, enum ports_proto proto, struct procnet *all);

/* The number in "socket:[N]", the target of a link in /proc/PID/fd; false on anything else. */
bool procnet_inode(const char *link, unsigned long *inode);

void procnet_free(struct procnet *all);

#endif
