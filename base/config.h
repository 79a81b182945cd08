/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /etc/derp/derp.conf, shared by the three programs so that each refuses what another would.
 * Every option is one row of the table in config.c and one paragraph of derp.conf(5).
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/net.h"

#define CONFIG_PATH           "/etc/derp/derp.conf"
#define CONFIG_MAX_BYTES      (64 * 1024) /* of the file */
#define CONFIG_MAX_LISTEN     16
#define CONFIG_MAX_SOURCES    8
#define CONFIG_MAX_MESH       16
#define CONFIG_MAX_NETWORKS   16
#define CONFIG_MAX_NAMES      16
#define CONFIG_MAX_APP_NAME   32 /* Tailscale's own limit */
#define CONFIG_ACME_DIRECTORY "https://acme-v02.api.letsencrypt.org/directory"

struct config_endpoints {
    struct endpoint list[CONFIG_MAX_LISTEN];
    size_t count; /* 0: off */
};

struct config_networks {
    struct network list[CONFIG_MAX_NETWORKS];
    size_t count;
};

struct config_names {
    char *list[CONFIG_MAX_NAMES]; /* lower case, no trailing dot */
    size_t count;
};

enum config_source { CONFIG_SOURCE_ACME, CONFIG_SOURCE_FILES, CONFIG_SOURCE_SELF_SIGNED };

enum config_challenge {
    CONFIG_CHALLENGE_TLS_ALPN_01,
    CONFIG_CHALLENGE_HTTP_01,
    CONFIG_CHALLENGE_DNS_01,
};

enum config_allow {
    CONFIG_ALLOW_ANYONE,
    CONFIG_ALLOW_TAILSCALED,
    CONFIG_ALLOW_URL,
    CONFIG_ALLOW_KEYS,
};

struct config_allow_source {
    enum config_allow kind;
    char *where; /* path or URL; NULL for anyone */
};

/* Another relay of the region. */
struct config_mesh_node {
    char *host; /* a name or an address (without brackets): what its certificate must be for */
    char *dial; /* where to connect instead, likewise; NULL: to host */
    uint16_t port;
};

/* Strings are owned by the config; NULL means not set. */
struct config {
    /* [relay] */
    char *domain; /* lower case, no trailing dot; or an IP address without brackets */
    struct config_endpoints listen;
    struct config_endpoints listen_proxy; /* a PROXY header comes first there */
    struct config_networks proxy_from;    /* who may connect there */
    struct config_endpoints stun;
    struct config_endpoints http;
    struct config_endpoints metrics; /* at most one */
    unsigned workers;                /* 0: auto, one per core */
    unsigned accept_limit;           /* new connections a second for each of listen; 0: off */
    unsigned accept_burst;           /* how many may come at once; 0: as accept_limit */
    uint64_t uplink;                 /* bits per second, 0: off */
    char *congestion;                /* TCP congestion control; NULL: the system's */
    char *home;                      /* "blank", a URL, a path; NULL: the default page */
    struct config_names bootstrap_dns;
    char *state_dir;
    char *mesh_key_file;
    struct config_mesh_node mesh_with[CONFIG_MAX_MESH];
    size_t mesh_count;
    char *mesh_ca_file; /* NULL: the system's roots */
    /* [certificate] */
    enum config_source source;
    char *cert_dir;
    char *chain;
    char *key;
    /* [acme] */
    char *acme_directory;
    char *acme_ca_file;
    char *acme_email;
    enum config_challenge challenge;
    char *acme_profile;
    bool profile_required;    /* rather no certificate than one of another profile */
    char *fallback_directory; /* of a second CA; NULL: none */
    char *fallback_ca_file;
    char *fallback_eab_key_id; /* with fallback_eab_key_file or not at all */
    char *fallback_eab_key_file;
    char *staging_directory; /* NULL: the known one of Let's Encrypt, none for other CAs */
    char *acme_hook;         /* program that is told of events */
    char *preferred_chain;   /* common name of an issuer in the chain that is wanted */
    char *eab_key_id;        /* external account binding, with eab_key_file or not at all */
    char *eab_key_file;
    char *dns_hook;    /* program for dns-01, an absolute path */
    uint64_t dns_wait; /* seconds until what it did must be seen */
    /* [dns] */
    char *dns_root_hints;
    char *dns_trust_anchor;
    struct endpoint dns_resolver; /* family AF_UNSPEC: recurse ourselves */
    char *dns_public_resolvers; /* addresses with white space between, or "off"; NULL: the usual */
    char *dns_address_from;     /* stun:HOST[:PORT] and https://…, likewise */
    /* [admission] */
    struct config_allow_source allow[CONFIG_MAX_SOURCES];
    size_t allow_count; /* 0: anyone */
    bool fail_open;
    uint64_t recheck;  /* seconds between two looks at a client that is logged in, 0: off */
    char *refuse_apps; /* names, separated by commas without spaces around them */
};

/* All defaults of the contract, no domain. */
void config_init(struct config *c);

/*
 * Reads and checks text against the table and across options (files needs chain and key, a
 * domain is required for acme, listen must not be off). Errors name file and line:
 * "derp.conf:12: …". c must be zeroed, initialised or freed; on failure it holds defaults.
 */
bool config_parse(const char *name, const char *text, struct config *c, struct fault *f);

/* config_parse of a file's content (at most 64 KiB). */
bool config_load(const char *path, struct config *c, struct fault *f);

/* Frees the strings; c may be initialised again. */
void config_free(struct config *c);

#endif
