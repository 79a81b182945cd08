/* SPDX-License-Identifier: Apache-2.0 */
/* What the server is like, as far as a firewall must know. */
#ifndef FIREWALL_SURROUNDINGS_H
#define FIREWALL_SURROUNDINGS_H

#include "firewall/facts.h"
#include "firewall/others.h"

/* systemd, IPv6, public addresses and the interface to the internet, into facts. */
void surroundings_read(struct firewall_facts *facts);

/*
 * Is an interface of this name one whose packets the kernel forwards for others: a VPN, containers
 * or virtual machines? Not Docker's and Tailscale's, which let theirs pass before ufw's rules.
 * Pure.
 */
bool surroundings_is_forwarded(const char *name);

/* The first such interface; "" when there is none, or none that is forwarded for. */
void surroundings_forwarded(char name[static 16]);

/* Does the kernel forward packets between interfaces, in either family? */
bool surroundings_forward(void);

/* The range of ports for outgoing traffic; the kernel's default where it cannot be read. */
struct others_range surroundings_ephemeral(void);

/*
 * Pure: the interface of the default route in the text of /proc/net/route into name (16 bytes);
 * "" when there is none or when there are several.
 */
void surroundings_parse_route(const char *text, char name[static 16]);

#endif
