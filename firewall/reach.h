/* SPDX-License-Identifier: Apache-2.0 */
/* Are the wanted ports reachable: by ufw's rules alone, by its files, by the kernel? Pure. */
#ifndef FIREWALL_REACH_H
#define FIREWALL_REACH_H

#include "firewall/facts.h"
#include "firewall/wanted.h"

enum reach {
    REACH_OPEN,       /* everybody is let in */
    REACH_LIMITED,    /* up to a rate: an owner's "limit" */
    REACH_PARTLY,     /* perhaps not everybody: a rule that cannot be judged from here */
    REACH_RESTRICTED, /* SSH only: some sources, as the owner wants it, and all who are logged in */
    REACH_MISSING,    /* no rule lets it in */
    REACH_DENIED,     /* a rule keeps it out */
};

struct reach_result {
    enum reach reach;
    const struct rules_rule *rule; /* that keeps packets out or limits them; may be NULL */
};

/* By the rules in ufw's files, default policies aside: what the plan starts from. */
struct reach_result reach_by_ufw(const struct firewall_facts *facts, enum family family,
                                 const struct wanted *w);

/* By a whole filter table with its policies: facts->kernel, or facts->ufw.files. */
struct reach_result reach_by_table(const struct firewall_facts *facts, const struct rules *table,
                                   enum family family, const struct wanted *w);

/* True for all that leave the port usable: open … restricted. */
bool reach_suffices(enum reach reach);

#endif
