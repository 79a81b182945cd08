/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel grants the relay and what has run out: descriptors, connection tracking, queues,
 * memory; and whether the relay still runs on libraries that an upgrade has replaced.
 */
#ifndef INSTALLER_LIMITS_H
#define INSTALLER_LIMITS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/config.h"
#include "base/finding.h"

#define LIMITS_UNKNOWN (-1)
#define LIMITS_LIBRARY 128

/* Everything may be LIMITS_UNKNOWN: containers hide some of it. */
struct limits {
    int64_t descriptors;     /* that derpd has open */
    int64_t descriptors_max; /* its soft limit */
    int64_t tracked;         /* connections in the kernel's table (conntrack) */
    int64_t tracked_max;
    int64_t backlog_max;          /* net.core.somaxconn: connections that wait for accept */
    int64_t backlog_lost;         /* that were lost there since boot */
    int64_t stun_lost;            /* STUN questions dropped by full sockets since derpd started */
    int64_t free_kib;             /* memory that programs can still have */
    size_t libraries;             /* mapped by derpd and gone from the disk since */
    char library[LIMITS_LIBRARY]; /* the first of them */
};

/* All unknown. */
void limits_init(struct limits *l);

/* Readers of /proc files; what is not found stays unknown. Pure. */
void limits_parse_limits(const char *text, struct limits *l);  /* /proc/PID/limits */
void limits_parse_maps(const char *text, struct limits *l);    /* /proc/PID/maps */
void limits_parse_netstat(const char *text, struct limits *l); /* /proc/net/netstat */
void limits_parse_meminfo(const char *text, struct limits *l); /* /proc/meminfo */
/* /proc/net/udp, /proc/net/udp6: adds up what the sockets of this port have dropped. */
void limits_parse_udp(const char *text, uint16_t port, struct limits *l);
/* A file with one number; LIMITS_UNKNOWN for anything else. */
int64_t limits_parse_number(const char *text);

/*
 * service.libraries, limits.descriptors, limits.conntrack, limits.backlog, limits.stun,
 * server.memory.free (warn), limits.ok, limits.unknown (skip). Pure.
 */
void limits_judge(const struct limits *l, struct findings *all);

/* Reads what there is of process pid (0: the relay does not run). */
void limits_read(pid_t pid, const struct config *c, struct limits *l);

#endif
