/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of derp-setup. Verbs and flags are two tables in options.c; parser, --help and
 * the error messages come from them. Pure: nothing here touches the system.
 */
#ifndef INSTALLER_OPTIONS_H
#define INSTALLER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/net.h"

enum verb {
    VERB_SETUP, /* no word but a domain */
    VERB_CHECK,
    VERB_STATUS,
    VERB_DOCTOR,
    VERB_CONFIRM,
    VERB_ROLLBACK,
    VERB_MAP,
    VERB_RENEW,
    VERB_UNINSTALL,
};

enum options_result {
    OPTIONS_RUN,     /* do opt->verb */
    OPTIONS_HELP,    /* print options_help to stdout and end with 0 */
    OPTIONS_VERSION, /* print the version to stdout and end with 0 */
    OPTIONS_WRONG,   /* *f says what and why; end with 2 */
};

enum map_format { MAP_TAILSCALE, MAP_HEADSCALE };

/* --certificate: where it comes from; KEEP: as it is, or what fits on a first run */
enum certificate_choice {
    CERTIFICATE_CHOICE_KEEP,
    CERTIFICATE_CHOICE_ACME,
    CERTIFICATE_CHOICE_SELF_SIGNED,
};

/* --firewall */
enum firewall_choice { FIREWALL_CHOICE_UFW, FIREWALL_CHOICE_NONE };

#define OPTIONS_MAX_PORTS 32
#define OPTIONS_DOMAIN    256
#define OPTIONS_LIST      512

struct option_port {
    uint16_t port;
    bool udp;
};

/* Strings point into argv; NULL and 0 mean that the flag was not given. */
struct options {
    enum verb verb;
    char domain[OPTIONS_DOMAIN]; /* lower case, no trailing dot; "" when the verb takes none */
    bool dry_run;
    bool yes;
    bool no_input;
    bool json;
    bool quiet;
    bool verbose;
    bool plain;
    bool no_color;
    const char *log_file;
    /* who and where the server is */
    struct endpoint ip4; /* AF_UNSPEC: not given */
    struct endpoint ip6;
    bool ip4_auto; /* --ip4=auto: forget an address given earlier */
    bool ip6_auto;
    bool no_ipv6;
    bool ip; /* no domain: the relay's name is its address, that of ip4 if it is given */
    bool wait_dns_given;
    uint64_t wait_dns; /* seconds */
    /* firewall */
    bool firewall_given;
    enum firewall_choice firewall;
    uint16_t ssh_ports[OPTIONS_MAX_PORTS];
    size_t ssh_port_count;
    struct option_port allow[OPTIONS_MAX_PORTS];
    size_t allow_count;
    bool close_others;
    bool confirm_timeout_given;
    uint64_t confirm_timeout; /* seconds; 0: do not wait */
    /* relay */
    uint16_t port;
    uint16_t stun_port;
    const char *uplink;  /* a rate or "off", already checked */
    const char *clients; /* value for [admission] allow, already checked */
    unsigned region_id;
    const char *region_code;
    const char *region_name;
    /* certificate; "" takes a setting away, where that can be */
    enum certificate_choice certificate;
    const char *email;
    const char *acme_directory;
    const char *acme_ca_file;
    const char *acme_challenge;
    const char *acme_profile;
    const char *acme_preferred_chain;
    const char *acme_eab_key_id;
    const char *acme_eab_key_file;
    const char *acme_dns_hook;
    const char *acme_hook;
    const char *acme_fallback_directory;
    const char *acme_fallback_ca_file;
    const char *acme_fallback_eab_key_id;
    const char *acme_fallback_eab_key_file;
    bool staging;
    bool force;
    /* private networks */
    const char *dns_root_hints;
    const char *dns_trust_anchor;
    const char *dns_resolver;
    char public_resolvers[OPTIONS_LIST]; /* separated by spaces; "": not given */
    char address_from[OPTIONS_LIST];
    /* status, doctor */
    bool watch;
    const char *report; /* a path */
    /* map, uninstall */
    enum map_format format;
    bool next; /* with the fingerprint that comes */
    bool purge;
    const char *confirm;
};

/* Reads argv[1..argc). On OPTIONS_WRONG *f names the word, the reason and the next command. */
enum options_result options_parse(int argc, char *const argv[], struct options *o, struct fault *f);

/* The whole --help text. */
void options_help(FILE *out);

/* The word of a verb; "set up" for VERB_SETUP. */
const char *verb_name(enum verb verb);

#endif
