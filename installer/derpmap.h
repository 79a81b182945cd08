/* SPDX-License-Identifier: Apache-2.0 */
/* The region that Tailscale or headscale has to be told of (tailcfg.DERPMap). Pure. */
#ifndef INSTALLER_DERPMAP_H
#define INSTALLER_DERPMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DERPMAP_REGION_ID 900
#define DERPMAP_PORT      443
#define DERPMAP_STUN_PORT 3478
#define DERPMAP_CODE      64

struct derpmap {
    unsigned region_id;    /* 0: DERPMAP_REGION_ID */
    const char *code;      /* NULL: made from the host */
    const char *name;      /* NULL: the host */
    const char *host;      /* the relay's domain or address; required */
    const char *ipv4;      /* NULL: "none", so that nobody looks for an A record */
    const char *ipv6;      /* NULL: "none", so that nobody trusts a stale AAAA record */
    const char *cert_name; /* "sha256-raw:…", NULL: left out, as the host certifies itself */
    uint16_t port;         /* left out when 443 (or 0) */
    uint16_t stun_port;    /* left out when 3478 (or 0) */
    bool no_stun;          /* written as STUNPort -1 */
};

/* {"derpMap":{"Regions":…}} with a newline, to paste into the tailnet policy file; free() it. */
char *derpmap_json(const struct derpmap *map);

/* The same region as headscale reads it from a file of derp.paths; free() it. */
char *derpmap_yaml(const struct derpmap *map);

/* "derp.demo.com" gives "demo", "demo.com" gives "demo", an address "relay"; cut to cap. Returns
 * code. */
char *derpmap_code(const char *host, char *code, size_t cap);

#endif
