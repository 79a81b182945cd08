/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP addresses: what kind one is, sets of them, and which ones are this server's own.
 * Users outside this folder include dnscheck/dnscheck.h, which includes this header.
 */
#ifndef DNSCHECK_ADDRESS_H
#define DNSCHECK_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/net.h"

/* From the IANA special-purpose address registries (RFC 6890 and its updates). */
enum address_kind {
    ADDRESS_PUBLIC,
    ADDRESS_DOCUMENTATION, /* RFC 5737, RFC 3849, RFC 9637: taken as public (test networks) */
    ADDRESS_CGNAT,         /* 100.64.0.0/10, RFC 6598 */
    ADDRESS_PRIVATE,       /* RFC 1918; fc00::/7, RFC 4193 */
    ADDRESS_LINK_LOCAL,    /* 169.254.0.0/16, fe80::/10 */
    ADDRESS_LOOPBACK,      /* 127.0.0.0/8, ::1 */
    ADDRESS_MULTICAST,     /* 224.0.0.0/4, ff00::/8 */
    ADDRESS_UNSPECIFIED,   /* 0.0.0.0/8, :: */
    ADDRESS_RESERVED,      /* the rest that no host on the internet has */
};

/* The kind of an address; a v4-mapped one is judged as IPv4. Pure. */
enum address_kind address_classify(const struct endpoint *e);

/* A noun phrase for messages ("a carrier-NAT address (100.64.0.0/10)"); "" for public ones. */
const char *address_kind_text(enum address_kind kind);

/* True for kinds that clients on the internet (or in a test network that plays it) can reach. */
bool address_is_public(const struct endpoint *e);

#define ADDRESS_SET_MAX 32

/* Distinct addresses of one family, ports 0, in the order in which they were added. */
struct address_set {
    struct endpoint list[ADDRESS_SET_MAX];
    size_t count;
    bool cut; /* more than ADDRESS_SET_MAX were given */
};

/* Adds e unless it is already there. */
void address_set_add(struct address_set *set, const struct endpoint *e);
bool address_set_has(const struct address_set *set, const struct endpoint *e);

/* "203.0.113.10", "203.0.113.10 and 203.0.113.11", or "none"; cut to cap with " and more".
 * Returns text. */
const char *address_set_print(const struct address_set *set, char *text, size_t cap);

/* Addresses of this server, or of its interfaces, by family. */
struct address_pair {
    struct address_set ip4;
    struct address_set ip6;
};

/*
 * All addresses of interfaces that are up, but for loopback's and the tunnels of a tailscaled
 * running here (its 100.64.0.0/10 address says nothing about how the internet sees us).
 */
bool address_scan(struct address_pair *found, struct fault *f);

#endif
