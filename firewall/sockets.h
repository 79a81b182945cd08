/* SPDX-License-Identifier: Apache-2.0 */
/* Every TCP and UDP socket of this network namespace and the processes that hold it. */
#ifndef FIREWALL_SOCKETS_H
#define FIREWALL_SOCKETS_H

#include <sys/types.h>

#include "base/fault.h"
#include "firewall/procnet.h"

struct sockets_holder {
    unsigned long inode;
    pid_t pid;
    int fd; /* the process's descriptor */
    char comm[32];
};

struct sockets {
    struct procnet all;
    struct sockets_holder *holders; /* sorted by inode, then process, then descriptor */
    size_t count;
};

/* Reads /proc; root sees every process. Free with sockets_free in both cases. */
bool sockets_read(struct sockets *s, struct fault *f);

/* The holders of a socket: the first of *n, or NULL when no process holds it. */
const struct sockets_holder *sockets_holders(const struct sockets *s, unsigned long inode,
                                             size_t *n);

/* Name of a process into comm, "" when it is gone; its parent, 0 when unknown. */
void sockets_comm(pid_t pid, char comm[static 32]);
pid_t sockets_parent(pid_t pid);

/* Adds every listener among them to all, its process named (ports.c). */
void ports_from_sockets(const struct sockets *s, struct ports_list *all);

void sockets_free(struct sockets *s);

#endif
