/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/sockets.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "firewall/process.h"

#define MAX_PROC_FILE (32U << 20)
#define PROC_PATH     300

void sockets_comm(pid_t pid, char comm[static 32])
{
    char path[64];
    struct buf b;
    buf_init(&b, 256);
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    comm[0] = '\0';
    if (file_read(path, &b, NULL) && b.len > 0)
        text_printable(b.data, b.data[b.len - 1] == '\n' ? b.len - 1 : b.len, comm, 32);
    buf_free(&b);
}

pid_t sockets_parent(pid_t pid)
{
    struct process p;
    return process_read(pid, &p) ? p.parent : 0;
}

static void add_holder(struct sockets *s, const struct sockets_holder *one)
{
    if ((s->count & (s->count - 1)) == 0)
        s->holders = mem_resize(s->holders, s->count ? s->count * 2 : 1, sizeof *s->holders);
    s->holders[s->count++] = *one;
}

static void read_process(struct sockets *s, pid_t pid)
{
    char path[PROC_PATH], target[64];
    uint64_t fd;
    struct sockets_holder one = {.pid = pid};
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    if (!dir)
        return; /* it has ended, or is not ours to see */
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        if (!procnet_inode(target, &one.inode))
            continue;
        one.fd = text_number(entry->d_name, 0, INT32_MAX, &fd) ? (int)fd : -1;
        if (one.comm[0] == '\0')
            sockets_comm(pid, one.comm);
        add_holder(s, &one);
    }
    closedir(dir);
}

static int by_inode(const void *a, const void *b)
{
    const struct sockets_holder *x = a, *y = b;
    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    return (x->fd > y->fd) - (x->fd < y->fd);
}

static bool read_processes(struct sockets *s, struct fault *f)
{
    uint64_t pid;
    DIR *dir = opendir("/proc");
    if (!dir)
        return fault_errno(f, "cannot read /proc");
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (text_number(entry->d_name, 1, INT32_MAX, &pid))
            read_process(s, (pid_t)pid);
    closedir(dir);
    if (s->count > 0)
        qsort(s->holders, s->count, sizeof *s->holders, by_inode);
    return true;
}

bool sockets_read(struct sockets *s, struct fault *f)
{
    static const struct {
        const char *path;
        enum ports_proto proto;
    } files[] = {{"/proc/net/tcp", PORTS_TCP},
                 {"/proc/net/tcp6", PORTS_TCP},
                 {"/proc/net/udp", PORTS_UDP},
                 {"/proc/net/udp6", PORTS_UDP}};
    struct buf b;
    bool ok = true;
    *s = (struct sockets){0};
    buf_init(&b, MAX_PROC_FILE);
    for (size_t i = 0; ok && i < sizeof files / sizeof *files; i++) {
        /* A kernel without IPv6 has no such file. */
        if (strchr(files[i].path, '6') && !file_exists(files[i].path))
            continue;
        ok = file_read(files[i].path, &b, f);
        if (ok)
            procnet_parse(buf_text(&b), files[i].proto, &s->all);
    }
    buf_free(&b);
    return ok && read_processes(s, f);
}

const struct sockets_holder *sockets_holders(const struct sockets *s, unsigned long inode,
                                             size_t *n)
{
    size_t low = 0, high = s->count;
    *n = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->holders[middle].inode < inode)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + *n < s->count && s->holders[low + *n].inode == inode)
        (*n)++;
    return *n > 0 && inode != 0 ? &s->holders[low] : NULL;
}

void sockets_free(struct sockets *s)
{
    procnet_free(&s->all);
    free(s->holders);
    *s = (struct sockets){0};
}
