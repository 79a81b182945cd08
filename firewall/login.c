/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/login.h"

#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "firewall/cgroup.h"
#include "firewall/process.h"
#include "firewall/sockets.h"
#include "firewall/sshtext.h"

#define MAX_ANCESTORS 64
#define MAX_TITLE     4096

/* Major numbers of pseudo-terminals. */
#define PTS_FIRST 136
#define PTS_LAST  143

/* --- Processes -------------------------------------------------------------------------------- */

static enum ssh_title title_of(pid_t pid)
{
    char path[64];
    struct buf b;
    buf_init(&b, MAX_TITLE);
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    /* sshd writes its title over its arguments; what follows the first zero is a leftover. */
    enum ssh_title title =
        file_read(path, &b, NULL) ? ssh_title_parse(buf_text(&b)) : SSH_TITLE_OTHER;
    buf_free(&b);
    return title;
}

static bool is_server(pid_t pid)
{
    char comm[32];
    sockets_comm(pid, comm);
    return ssh_is_server(comm);
}

/*
 * When the connection began that this process serves. The process that has the login may have been
 * forked only once somebody had typed a password; the one that watches over it is as old as the
 * connection. The listener above them has another kind of title. 0 when the process is gone.
 */
static uint64_t connection_began(pid_t pid)
{
    struct process p;
    uint64_t began = 0;
    for (int i = 0; i < MAX_ANCESTORS && pid > 1 && process_read(pid, &p); i++) {
        if (i > 0 && (!is_server(pid) || title_of(pid) == SSH_TITLE_OTHER))
            break;
        began = p.started;
        pid = p.parent;
    }
    return began;
}

/* --- Sockets ------------------------------------------------------------------------------------
 */

/* Packets from an address of our own come by the loopback interface, which no rule closes. */
static bool is_own(const struct endpoint *e)
{
    struct ifaddrs *all;
    bool own = endpoint_is_loopback(e);
    if (getifaddrs(&all) != 0)
        return own;
    for (struct ifaddrs *one = all; one && !own; one = one->ifa_next) {
        struct endpoint address = {0};
        if (one->ifa_addr && one->ifa_addr->sa_family == AF_INET)
            memcpy(&address.in4, one->ifa_addr, sizeof address.in4);
        else if (one->ifa_addr && one->ifa_addr->sa_family == AF_INET6)
            memcpy(&address.in6, one->ifa_addr, sizeof address.in6);
        own = endpoint_same_ip(&address, e);
    }
    freeifaddrs(all);
    return own;
}

static bool is_connection(const struct procnet_socket *socket)
{
    return socket->proto == PORTS_TCP && socket->state == PROCNET_ESTABLISHED;
}

bool login_seen(uint64_t since, struct endpoint *from)
{
    struct sockets s;
    bool seen = false;
    if (!sockets_read(&s, NULL)) {
        sockets_free(&s);
        return false;
    }
    for (size_t i = 0; i < s.all.count && !seen; i++) {
        const struct procnet_socket *socket = &s.all.list[i];
        size_t n;
        const struct sockets_holder *holder = sockets_holders(&s, socket->inode, &n);
        for (size_t j = 0; j < n && is_connection(socket) && !seen; j++) {
            if (!ssh_is_server(holder[j].comm) || title_of(holder[j].pid) != SSH_TITLE_LOGIN ||
                connection_began(holder[j].pid) <= since)
                continue;
            *from = socket->remote;
            endpoint_unmap(from);
            seen = !is_own(from);
        }
    }
    sockets_free(&s);
    return seen;
}

/* The other end of the connection that a process serves: its lowest descriptor. */
static bool served_peer(pid_t pid, struct endpoint *from)
{
    struct sockets s;
    int lowest = -1;
    if (sockets_read(&s, NULL))
        for (size_t i = 0; i < s.all.count; i++) {
            size_t n;
            const struct sockets_holder *holder = sockets_holders(&s, s.all.list[i].inode, &n);
            for (size_t j = 0; j < n && is_connection(&s.all.list[i]); j++) {
                if (holder[j].pid != pid || (lowest >= 0 && holder[j].fd >= lowest))
                    continue;
                lowest = holder[j].fd;
                *from = s.all.list[i].remote;
                endpoint_unmap(from);
            }
        }
    sockets_free(&s);
    return lowest >= 0;
}

/* --- This program -------------------------------------------------------------------------------
 */

/* The nearest process above us that serves SSH; 0 when there is none. */
static pid_t server_above(void)
{
    pid_t pid = getppid();
    for (int i = 0; i < MAX_ANCESTORS && pid > 1; i++, pid = sockets_parent(pid))
        if (is_server(pid))
            return pid;
    return 0;
}

static void session_of(pid_t pid, char name[static CGROUP_SESSION])
{
    char path[64];
    struct buf b;
    buf_init(&b, MAX_TITLE);
    name[0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    if (file_read(path, &b, NULL))
        cgroup_session(buf_text(&b), name);
    buf_free(&b);
}

/* A terminal that is no pseudo-terminal (Linux' devices.txt): a screen, a serial line. */
static bool is_console(unsigned tty)
{
    return tty != 0 && (major(tty) < PTS_FIRST || major(tty) > PTS_LAST);
}

static bool is_named(pid_t pid, const char *const names[])
{
    char comm[32];
    sockets_comm(pid, comm);
    for (; *names; names++)
        if (strcmp(comm, *names) == 0)
            return true;
    return false;
}

/*
 * Without an sshd above: the console, or a server of another kind, whose child serves the login; if
 * it has none, it was started for this very connection. Nothing else tells of a new login: a window
 * of a tmux is new whenever it is opened, over an old connection, too, and sudo takes away the
 * variables that would tell.
 */
static enum login_here login_elsewhere(uint64_t since)
{
    static const char *const servers[] = {"tailscaled", "teleport", NULL};
    static const char *const local[] = {"login", "agetty", NULL};
    struct process self, p, below;
    bool at_login = false;
    if (!process_read(getpid(), &self))
        return LOGIN_UNSURE;
    below = self;
    for (pid_t pid = self.parent; pid > 1 && process_read(pid, &p); pid = p.parent) {
        if (is_named(pid, servers) && !is_named(p.parent, servers))
            return p.started > since || below.started > since ? LOGIN_NEW : LOGIN_OLD;
        at_login = at_login || is_named(pid, local);
        below = p;
    }
    return is_console(self.tty) || at_login ? LOGIN_NEW : LOGIN_UNSURE;
}

enum login_here login_here(uint64_t since, pid_t run, struct endpoint *from)
{
    char ours[CGROUP_SESSION], theirs[CGROUP_SESSION];
    pid_t server = server_above();
    memset(from, 0, sizeof *from);
    session_of(getpid(), ours);
    session_of(run, theirs);
    /* tmux and screen are no children of sshd any more, but they stay in the session. */
    if (ours[0] && strcmp(ours, theirs) == 0)
        return LOGIN_OLD;
    if (server == 0)
        return login_elsewhere(since);
    if (connection_began(server) <= since)
        return LOGIN_OLD;
    if (!served_peer(server, from))
        return LOGIN_UNSURE;
    return is_own(from) ? LOGIN_LOCAL : LOGIN_NEW;
}
