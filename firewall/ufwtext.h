/* SPDX-License-Identifier: Apache-2.0 */
/* What ufw prints (0.36, LC_ALL=C). Pure. */
#ifndef FIREWALL_UFWTEXT_H
#define FIREWALL_UFWTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "firewall/ports.h"

enum ufw_policy { UFW_POLICY_UNKNOWN, UFW_POLICY_ALLOW, UFW_POLICY_DENY, UFW_POLICY_REJECT };

struct ufw_status {
    bool active;
    enum ufw_policy incoming; /* unknown while inactive: ufw does not tell */
    enum ufw_policy outgoing;
};

/* `ufw status verbose`. false when it is not that. */
bool ufw_parse_status(const char *text, struct ufw_status *status, struct fault *f);

/* "DROP", "ACCEPT", "REJECT" of /etc/default/ufw, and "deny", "allow", "reject" as printed. */
enum ufw_policy ufw_policy_parse(const char *word);
/* The word that `ufw default` takes. */
const char *ufw_policy_name(enum ufw_policy policy);

enum ufw_action { UFW_ALLOW, UFW_DENY, UFW_REJECT, UFW_LIMIT };

/* One rule as `ufw show added` prints it. */
struct ufw_rule {
    char *text;      /* the whole command: "ufw allow 22/tcp comment 'x'" */
    bool understood; /* false: only the text is set, and it matches nothing */
    enum ufw_action action;
    bool incoming;   /* false: "out" and "route" rules */
    bool any_source; /* from anywhere, by any interface */
    bool any_target;
    char *app;          /* application profile of the target, or NULL */
    char *ports;        /* "22", "80,443", "8000:8010"; NULL: any */
    char *source_ports; /* likewise */
    char *proto;        /* "tcp", "udp", other; NULL: any */
    char *comment;      /* NULL: none */
};

struct ufw_rules {
    struct ufw_rule *list;
    size_t count;
};

/* `ufw show added`. What decides about packets is read from the rules themselves (rules.h); this
 * list gives the names by which their owner knows them. */
bool ufw_parse_added(const char *text, struct ufw_rules *rules, struct fault *f);
void ufw_rules_free(struct ufw_rules *rules);

/*
 * The rule that a command such as "ufw allow 443/tcp comment 'derp-relay: TLS'" has added: NULL
 * when there is none for the same packets. ufw replaces the comment of a rule that is added again,
 * so it may have another one by now.
 */
const struct ufw_rule *ufw_rules_find(const struct ufw_rules *rules, const char *command);

/* Do two texts of user.rules (or user6.rules) have the same rules in the same order? ufw writes the
 * rest of such a file anew each time, from its settings. */
bool ufw_same_rules(const char *a, const char *b);

/* Could this rule decide about a new incoming packet to the port? (Profiles are not looked up:
 * a rule with one never matches here.) */
bool ufw_rule_matches(const struct ufw_rule *rule, enum ports_proto proto, uint16_t port);

#endif
