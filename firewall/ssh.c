/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/ssh.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/run.h"
#include "firewall/systemd.h"

#define SSHD            "/usr/sbin/sshd"
#define SSHD_FOLDER     "/run/sshd" /* sshd -T refuses to work without it (sshd.c) */
#define SSHD_TIMEOUT_MS 10000
#define MAX_ANCESTORS   64

/* The process that serves SSH and holds this socket, or NULL. */
static const struct sockets_holder *ssh_holder(const struct sockets *s,
                                               const struct procnet_socket *socket)
{
    size_t n;
    const struct sockets_holder *holder = sockets_holders(s, socket->inode, &n);
    for (size_t i = 0; i < n; i++)
        if (ssh_is_server(holder[i].comm))
            return &holder[i];
    return NULL;
}

static void add_peer(struct ssh *ssh, const struct procnet_socket *socket)
{
    ssh->peers = mem_resize(ssh->peers, ssh->peer_count + 1, sizeof *ssh->peers);
    struct ssh_peer *peer = &ssh->peers[ssh->peer_count++];
    *peer = (struct ssh_peer){.remote = socket->remote, .local = socket->local};
    endpoint_unmap(&peer->remote);
    endpoint_unmap(&peer->local);
}

/*
 * The port of the connection that a process serves: its lowest descriptor that is a connected
 * TCP socket. Higher ones may be connections that it forwards.
 */
static uint16_t served_port(const struct sockets *s, pid_t pid)
{
    uint16_t port = 0;
    int lowest = -1;
    for (size_t i = 0; i < s->all.count; i++) {
        const struct procnet_socket *socket = &s->all.list[i];
        if (socket->proto != PORTS_TCP || socket->state != PROCNET_ESTABLISHED)
            continue;
        size_t n;
        const struct sockets_holder *holder = sockets_holders(s, socket->inode, &n);
        for (size_t j = 0; j < n; j++) {
            if (holder[j].pid != pid || (lowest >= 0 && holder[j].fd >= lowest))
                continue;
            lowest = holder[j].fd;
            port = endpoint_port(&socket->local);
        }
    }
    return port;
}

/* A process that serves a login may listen, too, for what the login forwards to itself. */
static void read_listeners(const struct sockets *s, struct ssh *ssh)
{
    for (size_t i = 0; i < s->all.count; i++) {
        const struct procnet_socket *socket = &s->all.list[i];
        if (socket->proto != PORTS_TCP || socket->state != PROCNET_LISTEN ||
            endpoint_is_loopback(&socket->local))
            continue;
        const struct sockets_holder *holder = ssh_holder(s, socket);
        if (holder && served_port(s, holder->pid) == 0)
            ssh_ports_add(&ssh->ports, endpoint_port(&socket->local), FIREWALL_SSH_LISTENER);
    }
}

static void read_ancestors(const struct sockets *s, struct ssh *ssh)
{
    pid_t pid = getppid();
    for (int i = 0; i < MAX_ANCESTORS && pid > 1; i++, pid = sockets_parent(pid)) {
        char comm[32];
        sockets_comm(pid, comm);
        if (!ssh_is_server(comm))
            continue;
        uint16_t port = served_port(s, pid);
        ssh->session = true;
        ssh_ports_add(&ssh->ports, port, FIREWALL_SSH_CONNECTION);
        if (port)
            return;
    }
}

/* Logins, told apart from connections that sshd forwards by the port they came in by. */
static void read_peers(const struct sockets *s, struct ssh *ssh)
{
    for (size_t i = 0; i < s->all.count; i++) {
        const struct procnet_socket *socket = &s->all.list[i];
        if (socket->proto != PORTS_TCP || socket->state != PROCNET_ESTABLISHED ||
            !ssh_holder(s, socket))
            continue;
        ssh->session = true;
        if (ssh_ports_has(&ssh->ports, endpoint_port(&socket->local)))
            add_peer(ssh, socket);
    }
}

static void read_environment(struct ssh *ssh)
{
    const char *connection = getenv("SSH_CONNECTION");
    if (connection)
        ssh_ports_add(&ssh->ports, ssh_parse_connection(connection), FIREWALL_SSH_ENVIRONMENT);
    if (connection || getenv("SSH_CLIENT") || getenv("SSH_TTY"))
        ssh->session = true;
}

/* Runs sshd -T, with the folder it wants made for the moment. */
static bool ask_sshd(struct run_result *r, struct fault *f)
{
    static const char *const argv[] = {SSHD, "-T", NULL};
    struct run_options opt = {.timeout_ms = SSHD_TIMEOUT_MS};
    bool made = mkdir(SSHD_FOLDER, 0755) == 0;
    bool ok = run(argv, &opt, r, f);
    if (made)
        rmdir(SSHD_FOLDER);
    return ok;
}

static void read_config(struct ssh *ssh, struct findings *all)
{
    char text[256];
    struct fault f;
    struct run_result r = {0};
    if (!file_exists(SSHD))
        return;
    bool ran = ask_sshd(&r, &f);
    if (ran && run_ok(&r)) {
        ssh_parse_config(buf_text(&r.out), &ssh->ports);
    } else {
        if (ran)
            run_explain(&r, text, sizeof text);
        size_t i = finding_add(all, SEVERITY_WARN, "firewall.ssh.config",
                               "sshd does not tell its configured ports (%s); a port it would "
                               "use only after a restart is not known",
                               ran ? text : f.text);
        finding_fix(all, i, "sshd -t; or name the ports with --ssh-port=PORT");
    }
    run_free(&r);
}

static const char *const socket_units[] = {"ssh.socket", "sshd.socket", NULL};
static const char *const service_units[] = {"ssh.service", "sshd.service", NULL};

/* Whether SSH is or will be served as far as systemd knows; true where systemd does not run. */
static bool read_units(struct ssh *ssh)
{
    struct buf b;
    bool used = false;
    if (!systemd_runs())
        return true;
    buf_init(&b, 64U << 10);
    for (size_t i = 0; socket_units[i]; i++)
        if (systemd_show(socket_units[i], &b))
            used = ssh_parse_unit(buf_text(&b), &ssh->ports) || used;
    for (size_t i = 0; service_units[i]; i++)
        if (systemd_show(service_units[i], &b))
            used = ssh_parse_unit(buf_text(&b), &ssh->ports) || used;
    buf_free(&b);
    return used;
}

void ssh_read(const struct firewall_options *o, const struct sockets *s, struct ssh *ssh,
              struct findings *all)
{
    *ssh = (struct ssh){0};
    read_listeners(s, ssh);
    read_ancestors(s, ssh);
    read_environment(ssh);
    if (read_units(ssh) || ssh->ports.count > 0)
        read_config(ssh, all);
    for (size_t i = 0; i < o->ssh_count; i++)
        ssh_ports_add(&ssh->ports, o->ssh_ports[i], FIREWALL_SSH_OPTION);
    read_peers(s, ssh);
}

void ssh_free(struct ssh *ssh)
{
    free(ssh->ports.list);
    free(ssh->peers);
    *ssh = (struct ssh){0};
}
