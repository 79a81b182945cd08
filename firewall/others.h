/* SPDX-License-Identifier: Apache-2.0 */
/* Services besides ours that people reach today and will not, once the rest is denied. Pure. */
#ifndef FIREWALL_OTHERS_H
#define FIREWALL_OTHERS_H

#include "firewall/facts.h"
#include "firewall/wanted.h"

/* Ports a kernel takes by itself for outgoing traffic (ip_local_port_range). */
struct others_range {
    uint16_t low;
    uint16_t high;
};

/*
 * Of all listeners those that are public, can be reached as things are, and will be closed: each
 * port once. others must be empty.
 */
void others_find(const struct ports_list *listeners, const struct wanted_list *wanted,
                 const struct firewall_facts *facts, const struct others_range *ephemeral,
                 struct ports_list *others);

/* Is it a port that Docker publishes? Such ports are forwarded before ufw sees them. */
bool others_is_docker(const struct ports_owner *owner);

#endif
