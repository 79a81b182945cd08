/* SPDX-License-Identifier: Apache-2.0 */
/* The filter tables as the kernel has them, through iptables. */
#ifndef FIREWALL_KERNEL_H
#define FIREWALL_KERNEL_H

#include "base/buf.h"
#include "firewall/facts.h"

/* "iptables", "ip6tables"; does the kernel speak this family? */
const char *kernel_program(enum family family);
bool kernel_has(enum family family);

/* Is iptables there? It comes along with ufw. */
bool kernel_installed(void);

/* `iptables -S` or `ip6tables -S` as text into b. */
bool kernel_list(enum family family, struct buf *b, struct fault *f);

/* Both families, parsed, into facts->kernel; IPv6 only where the kernel speaks it. */
bool kernel_read(struct firewall_facts *facts, struct fault *f);

/* Is iptables the one that keeps its rules in nftables? */
bool kernel_uses_nft(void);

/* A listing of another program or table: "iptables-legacy -S", "iptables -t nat -S". false when
 * it is not installed or fails. */
bool kernel_ask(const char *const argv[], struct buf *b);

#endif
