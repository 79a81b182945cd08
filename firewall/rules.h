/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of one family's filter table, read from text: what `iptables -S` prints, or the files
 * below /etc/ufw in the format of iptables-restore(8). Pure.
 *
 * Only what decides about a new packet is understood; a match that is not understood is kept as
 * RULES_UNKNOWN, so that a proof over it never says more than is known.
 */
#ifndef FIREWALL_RULES_H
#define FIREWALL_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/net.h"

#define RULES_MAX_TEXT   (4U << 20) /* bytes of text that are read */
#define RULES_MAX_RULES  20000U     /* rules in all chains of one set */
#define RULES_MAX_CHAINS 4000U
#define RULES_MAX_RANGES 16 /* multiport takes at most 15 ports (iptables-extensions(8)) */

enum rules_proto { RULES_PROTO_ANY, RULES_PROTO_TCP, RULES_PROTO_UDP, RULES_PROTO_OTHER };

/* The match of a rule depends on something that the packet alone does not tell. */
enum rules_doubt {
    RULES_RATE = 1,    /* limit, recent, hashlimit: only above some rate */
    RULES_UNKNOWN = 2, /* a match we do not know: perhaps */
    RULES_NEVER = 4,   /* fragments, ICMP types, routing headers: not a new TCP or UDP packet */
};

enum rules_action {
    RULES_PASS, /* no target, LOG, MARK…: the packet goes on to the next rule */
    RULES_ACCEPT,
    RULES_DROP, /* DROP and REJECT */
    RULES_RETURN,
    RULES_JUMP,
    RULES_GOTO,
    RULES_OPAQUE, /* a target that cannot be read: may drop */
};

struct rules_ports {
    uint16_t low[RULES_MAX_RANGES];
    uint16_t high[RULES_MAX_RANGES];
    size_t count; /* 0: any port */
    bool inverted;
};

/* An address block; text as written, parsed by the family. */
struct rules_block {
    struct endpoint base; /* AF_UNSPEC: any address */
    unsigned prefix;
    bool inverted;
};

#define RULES_NEW         1U
#define RULES_ESTABLISHED 2U
#define RULES_OTHER_STATE 4U

struct rules_rule {
    char *text;  /* the line, for people */
    char *tuple; /* ufw's "### tuple ###" line above it without the mark, or NULL */
    enum rules_proto proto;
    bool proto_inverted;
    struct rules_ports source_ports;
    struct rules_ports ports;
    struct rules_block source;
    struct rules_block target;
    char in[16]; /* interface, "" for any; a final '+' matches any ending */
    bool in_inverted;
    unsigned states; /* conntrack states that match, 0: any */
    bool states_inverted;
    bool local_only; /* --dst-type LOCAL, which a packet to us is */
    unsigned doubt;  /* bits of enum rules_doubt */
    enum rules_action action;
    char *jump; /* chain of RULES_JUMP and RULES_GOTO; one that is in no set may drop (NFQUEUE) */
};

struct rules_chain {
    char *name;
    enum rules_action policy; /* RULES_ACCEPT or RULES_DROP; RULES_RETURN for a user's chain */
    struct rules_rule *rules;
    size_t count;
};

struct rules {
    struct rules_chain *chains;
    size_t count;
    size_t rule_count;
};

/*
 * Adds the text's chains and rules to all, in order: "-P", "-N", "-A", "-I", "-F" lines, and
 * of iptables-restore "*table", ":CHAIN POLICY [0:0]", "COMMIT"; other tables than filter are
 * skipped. A line that cannot be read at all is an error that quotes it.
 */
bool rules_parse(const char *text, struct rules *all, struct fault *f);

/* The chain of this name or NULL. */
const struct rules_chain *rules_chain(const struct rules *all, const char *name);

/* rules_parse of one line. */
bool rules_append(struct rules *all, const char *line, struct fault *f);

/* Is this address in the block (inversion applied)? An unset block holds every address. */
bool rules_block_holds(const struct rules_block *block, const struct endpoint *address);

/* Frees everything; the set is empty and usable. */
void rules_free(struct rules *all);

#endif
