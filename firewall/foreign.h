/* SPDX-License-Identifier: Apache-2.0 */
/* Another firewall at work beside ufw: its rules stand before ufw's, or fight with them. */
#ifndef FIREWALL_FOREIGN_H
#define FIREWALL_FOREIGN_H

#include "firewall/facts.h"

/*
 * Pure: what in a filter table is neither ufw's nor harmless. Chains of programs that only look
 * at some sources (fail2ban…) or serve their own interfaces (tailscaled, docker, libvirt…) are
 * harmless. Returns a sentence to free(), NULL when there is nothing.
 */
char *foreign_rules(const struct rules *table, bool ufw_active);

/* Pure: likewise for one nftables base chain; legacy: iptables does not keep its rules there. */
enum foreign_chain { FOREIGN_NONE, FOREIGN_PERHAPS, FOREIGN_YES };
enum foreign_chain foreign_nft_chain(const struct nft_chain *chain, bool legacy);

/* Asks the kernel and systemd; one finding per kind. true when there is a foreign firewall. */
bool foreign_check(const struct firewall_facts *facts, struct findings *all);

#endif
