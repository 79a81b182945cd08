/* SPDX-License-Identifier: Apache-2.0 */
/* SSH ports as programs and variables tell them. Pure. */
#ifndef FIREWALL_SSHTEXT_H
#define FIREWALL_SSHTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firewall/firewall.h"

/* A set of ports with the sources that named them, sorted by port. */
struct ssh_ports {
    struct firewall_ssh_port *list;
    size_t count;
};

/* Adds a port or a further source to it; port 0 is ignored. */
void ssh_ports_add(struct ssh_ports *all, uint16_t port, enum firewall_ssh_source source);
bool ssh_ports_has(const struct ssh_ports *all, uint16_t port);

/*
 * What `sshd -T` prints (sshd(8)): the ports of "listenaddress" lines that are not on loopback,
 * or, where there is none, of "port" lines.
 */
void ssh_parse_config(const char *text, struct ssh_ports *all);

/*
 * What `systemctl show UNIT -p ActiveState -p UnitFileState -p Listen` prints for a socket unit:
 * the TCP ports of its "Listen=ADDRESS (Stream)" lines. Nothing is added for a unit that is neither
 * active nor enabled. Returns whether it is either; other kinds of unit may be asked about, too.
 */
bool ssh_parse_unit(const char *text, struct ssh_ports *all);

/* The server's port of SSH_CONNECTION, "CLIENT PORT SERVER PORT" (ssh(1)); 0 when malformed. */
uint16_t ssh_parse_connection(const char *value);

/* "sshd", "sshd-session", "dropbear": the name of a process that serves SSH. */
bool ssh_is_server(const char *comm);

/* What the title of a process tells that sshd has given itself (setproctitle in OpenSSH's sshd.c,
 * monitor.c and session.c). */
enum ssh_title {
    SSH_TITLE_OTHER,      /* the listener, or no process of sshd's */
    SSH_TITLE_CONNECTION, /* serves a connection; nobody need have logged in: "sshd: root [priv]" */
    SSH_TITLE_LOGIN,      /* somebody is logged in: "sshd: root@pts/0", "sshd-session: u@notty" */
};
enum ssh_title ssh_title_parse(const char *title);

/* "22 (listening, sshd_config), 2222 (--ssh-port)"; free() it. */
char *ssh_ports_print(const struct firewall_ssh_port *list, size_t count);

#endif
