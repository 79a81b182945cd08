/* SPDX-License-Identifier: Apache-2.0 */
/* Which ports people log in by over SSH, from every source there is, and who is logged in. */
#ifndef FIREWALL_SSH_H
#define FIREWALL_SSH_H

#include "base/finding.h"
#include "firewall/sockets.h"
#include "firewall/sshtext.h"

/* A login over SSH as it stands: the client's address and ours. */
struct ssh_peer {
    struct endpoint remote;
    struct endpoint local;
};

struct ssh {
    struct ssh_ports ports;
    bool session; /* somebody is logged in over SSH */
    struct ssh_peer *peers;
    size_t peer_count;
};

/*
 * Asks the sockets, systemd, sshd, our ancestors, the environment and the options. What a source
 * could not tell is a finding (firewall.ssh.config), the others still count.
 * Free with ssh_free.
 */
void ssh_read(const struct firewall_options *o, const struct sockets *s, struct ssh *ssh,
              struct findings *all);
void ssh_free(struct ssh *ssh);

#endif
