/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's nftables rules as libnftables prints them in JSON (libnftables-json(5)). Pure. */
#ifndef FIREWALL_NFTJSON_H
#define FIREWALL_NFTJSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

/* A base chain that sees packets to this server. */
struct nft_chain {
    char *family; /* "inet", "ip", "ip6", "netdev", … */
    char *table;
    char *name;
    char *hook;       /* "input", "prerouting", "ingress" */
    size_t rules;     /* in this chain */
    bool policy_drop; /* drops what no rule accepts */
    bool drops;       /* some rule or map of its table drops, rejects or queues */
};

struct nft_chains {
    struct nft_chain *list;
    size_t count;
};

/* Reads `list ruleset` in JSON. Free the chains with nft_chains_free. */
bool nftjson_parse(const char *text, struct nft_chains *chains, struct fault *f);
void nft_chains_free(struct nft_chains *chains);

/* Is it a chain that iptables-nft keeps (`iptables -S` lists it, too)? */
bool nft_chain_is_iptables(const struct nft_chain *chain);

#endif
