/* SPDX-License-Identifier: Apache-2.0 */
/* The ports that must be reachable. Pure. */
#ifndef FIREWALL_WANTED_H
#define FIREWALL_WANTED_H

#include "firewall/firewall.h"

enum wanted_kind { WANTED_SSH, WANTED_RELAY, WANTED_STUN, WANTED_ALLOW };

struct wanted {
    enum wanted_kind kind;
    struct firewall_port at;
};

/* SSH ports first, then the relay's, STUN's, and the --allow list; nothing twice. */
struct wanted_list {
    struct wanted *list;
    size_t count;
};

void wanted_make(const struct firewall_options *o, const struct firewall_ssh_port *ssh,
                 size_t ssh_count, struct wanted_list *all);
bool wanted_has(const struct wanted_list *all, enum ports_proto proto, uint16_t port);
void wanted_free(struct wanted_list *all);

/* "SSH", "relay", "STUN", "--allow"; the comment of the rule: "derp-relay: SSH". */
const char *wanted_name(enum wanted_kind kind);
const char *wanted_comment(enum wanted_kind kind);

/* "443/tcp". */
#define WANTED_TEXT 16
char *wanted_print(const struct firewall_port *at, char text[static WANTED_TEXT]);

#endif
