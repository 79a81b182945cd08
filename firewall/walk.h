/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to a new packet: follows the chains in order, as the kernel does. Pure.
 *
 * The packet is the first one of a conversation, for an address of this server. Its source is
 * either given or "somewhere on the internet", an address that no rule singles out: rules for
 * particular sources do not match it, so an owner's list of blocked or trusted addresses neither
 * spoils nor makes a proof.
 */
#ifndef FIREWALL_WALK_H
#define FIREWALL_WALK_H

#include "firewall/ports.h"
#include "firewall/rules.h"

struct walk_packet {
    enum ports_proto proto;
    uint16_t port;
    struct endpoint source; /* AF_UNSPEC: somewhere on the internet */
    struct endpoint target; /* AF_UNSPEC: an address of ours, not known which */
    const char *in;         /* interface it comes in by; NULL: not known, but not lo */
};

enum walk_verdict {
    WALK_OPEN,       /* always accepted */
    WALK_LIMITED,    /* accepted, up to a rate */
    WALK_PARTLY,     /* accepted, unless a rule matches that cannot be judged from here */
    WALK_RESTRICTED, /* some are accepted (by interface…), the others dropped */
    WALK_CLOSED,     /* never accepted */
    WALK_THROUGH,    /* no rule of the chain decides, and it has no policy */
};

struct walk_result {
    enum walk_verdict verdict;
    bool falls;                       /* some packets reach the end of a chain that has no policy */
    const struct rules_rule *accepts; /* first rule that accepts, NULL: the policy, or none */
    const struct rules_rule *drops;   /* first rule that drops for certain, else perhaps; or NULL */
};

/* Follows the chain of this name. A chain that does not exist decides nothing. */
struct walk_result walk(const struct rules *all, const char *chain, const struct walk_packet *p);

/* Does this one rule match the packet, or might it? */
bool walk_rule_matches(const struct rules_rule *rule, const struct walk_packet *p);

/* "open", "limited", … */
const char *walk_verdict_name(enum walk_verdict verdict);

#endif
