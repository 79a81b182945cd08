/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which cloud this server is in, what its metadata service is asked, and what that means. Asking is
 * for others. Pure. Users outside this folder include dnscheck/dnscheck.h, which includes this
 * header.
 */
#ifndef DNSCHECK_CLOUD_H
#define DNSCHECK_CLOUD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/finding.h"
#include "base/net.h"
#include "dnscheck/address.h"

enum cloud {
    CLOUD_NONE, /* none of these, or it cannot be told */
    CLOUD_ALIBABA,
    CLOUD_TENCENT,
    CLOUD_AWS,
    CLOUD_GCE,
    CLOUD_AZURE,
    CLOUD_ORACLE,
    CLOUD_HETZNER,
    CLOUD_DIGITALOCEAN,
};

#define CLOUD_TEXT 96

/* Contents of the files of these names in /sys/class/dmi/id; "" where there is none. */
struct cloud_dmi {
    char sys_vendor[CLOUD_TEXT];
    char product_name[CLOUD_TEXT];
    char chassis_asset_tag[CLOUD_TEXT];
    char bios_version[CLOUD_TEXT];
};

enum cloud cloud_identify(const struct cloud_dmi *dmi);

/* "Alibaba Cloud"; "" for CLOUD_NONE. */
const char *cloud_name(enum cloud cloud);

/* A metadata service: plain HTTP to an address that does not leave the cloud. NULL: not needed. */
struct cloud_service {
    const char *token;        /* URL to PUT to first; its answer goes into each request */
    const char *token_ask;    /* header of that PUT, for how long it holds */
    const char *token_header; /* "Name: ", to be followed by the token */
    const char *header;       /* of each request */
    const char *address[2];   /* URLs whose answer is the public IPv4 address; tried in turn */
    const char *region;       /* URL of the region's name */
};

/* NULL: the cloud has none, or none that knows the public address. */
const struct cloud_service *cloud_service(enum cloud cloud);

/* A body of n bytes that is one IPv4 address the internet could reach, white space around it aside.
 */
bool cloud_read_address(const char *body, size_t n, struct endpoint *e);

/* A body that is one word of printable ASCII (a token, a region); false when it does not fit. */
bool cloud_read_word(const char *body, size_t n, char *word, size_t cap);

/* True when the region is one of mainland China. */
bool cloud_is_mainland(enum cloud cloud, const char *region);

/* Adds the addresses of "nameserver" lines (resolv.conf(5)). */
void cloud_nameservers(const char *resolv_conf, struct address_set *set);

/* What is known about where the server stands. */
struct cloud_facts {
    enum cloud cloud;
    char region[CLOUD_TEXT];        /* "": not known */
    bool tailscaled;                /* one runs here, with its packet filter */
    struct address_set nameservers; /* the system's */
    bool public_ca;                 /* a CA on the internet connects to port 443 or 80 */
};

/*
 * Findings: cloud.ok (ok), cloud.filing (warn: mainland China, where a domain without ICP filing is
 * cut off), cloud.tailscale (warn: tailscaled drops the answers of the cloud's own name servers,
 * 100.64.0.0/10). None outside a cloud.
 */
void cloud_judge(const struct cloud_facts *facts, struct findings *all);

#endif
