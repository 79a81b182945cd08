/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose an address or a name server is when it is not this server's: content delivery networks and
 * parked domains that can be told for sure. The tables are short on purpose: what is not in them
 * is "somebody else's", which is true as well. Pure.
 */
#ifndef DNSCHECK_SUSPECTS_H
#define DNSCHECK_SUSPECTS_H

#include "base/net.h"

/* The content delivery network that publishes this address as its own ("Cloudflare"), or NULL. */
const char *suspect_cdn_address(const struct endpoint *e);

/* The one to which a CNAME with this target leads, or NULL. Lower case, no trailing dot. */
const char *suspect_cdn_alias(const char *name);

/* Who parks the domains whose name server has this name ("Sedo, a domain market"), or NULL. */
const char *suspect_parking(const char *name_server);

#endif
