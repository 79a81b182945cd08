/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/file.h"
#include "installer/desired.h"
#include "installer/limits.h"

#define PROC_MAX (1024 * 1024)

/* The content of a /proc file, "" when it cannot be read; valid until b changes. */
static const char *slurp(struct buf *b, const char *path)
{
    buf_free(b);
    return file_read(path, b, NULL) ? buf_text(b) : "";
}

static const char *slurp_of(struct buf *b, pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return slurp(b, path);
}

static int64_t count_descriptors(pid_t pid)
{
    char path[64];
    int64_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    if (!folder)
        return LIMITS_UNKNOWN;
    for (struct dirent *e = readdir(folder); e; e = readdir(folder))
        n += e->d_name[0] != '.';
    closedir(folder);
    return n;
}

void limits_read(pid_t pid, const struct config *c, struct limits *l)
{
    struct buf b;
    uint16_t stun = desired_stun_port(c);
    limits_init(l);
    buf_init(&b, PROC_MAX);
    if (pid > 0) {
        l->descriptors = count_descriptors(pid);
        limits_parse_limits(slurp_of(&b, pid, "limits"), l);
        limits_parse_maps(slurp_of(&b, pid, "maps"), l);
    }
    if (stun) {
        limits_parse_udp(slurp(&b, "/proc/net/udp"), stun, l);
        limits_parse_udp(slurp(&b, "/proc/net/udp6"), stun, l);
    }
    limits_parse_netstat(slurp(&b, "/proc/net/netstat"), l);
    limits_parse_meminfo(slurp(&b, "/proc/meminfo"), l);
    l->tracked = limits_parse_number(slurp(&b, "/proc/sys/net/netfilter/nf_conntrack_count"));
    l->tracked_max = limits_parse_number(slurp(&b, "/proc/sys/net/netfilter/nf_conntrack_max"));
    l->backlog_max = limits_parse_number(slurp(&b, "/proc/sys/net/core/somaxconn"));
    buf_free(&b);
}
