/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that was read, in one place: the input of the pure plan and the pure proof. */
#ifndef FIREWALL_FACTS_H
#define FIREWALL_FACTS_H

#include "firewall/firewall.h"
#include "firewall/nftjson.h"
#include "firewall/rules.h"
#include "firewall/ssh.h"
#include "firewall/ufwtext.h"
#include "firewall/walk.h"

enum family { FAMILY_IP4, FAMILY_IP6, FAMILIES };

/* Names that differ by family: "IPv4", "ufw-user-input", "ufw6-user-input". */
const char *family_name(enum family family);
const char *family_user_chain(enum family family);

/* What ufw says and what stands in its files. */
struct ufw_facts {
    struct ufw_status status;
    struct ufw_rules added;
    bool enabled;             /* ENABLED=yes in /etc/ufw/ufw.conf: started at boot */
    bool ipv6;                /* IPV6=yes in /etc/default/ufw */
    enum ufw_policy incoming; /* as they are or, while inactive, as they will be */
    enum ufw_policy outgoing;
    enum ufw_policy forward;
    struct rules files[FAMILIES]; /* the whole filter table as ufw would load it from its files */
};

struct firewall_facts {
    bool systemd;
    bool unit_enabled;             /* systemd will start ufw.service at boot */
    bool guard_enabled;            /* systemd will start FIREWALL_GUARD_UNIT at boot */
    bool has_ip6;                  /* the kernel speaks IPv6 */
    bool public_ip6;               /* the server has a public IPv6 address */
    bool forwarding;               /* the kernel passes packets on between interfaces */
    char forwarded[16];            /* an interface that needs it, see surroundings.h; "": none */
    char interface[16];            /* the only interface besides lo, "" when there are several */
    bool foreign;                  /* another firewall is at work (findings say which) */
    struct ufw_facts ufw;          /* zero unless ufw is installed */
    struct rules kernel[FAMILIES]; /* the filter tables as the kernel has them */
    struct ssh ssh;
    bool docker;     /* Docker forwards published ports (chain DOCKER of table nat) */
    bool apt_update; /* ufw is missing and apt needs fresh lists to install it */
};

#endif
