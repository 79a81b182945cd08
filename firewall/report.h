/* SPDX-License-Identifier: Apache-2.0 */
/* Inspection's findings: what was read, put into words. Pure. */
#ifndef FIREWALL_REPORT_H
#define FIREWALL_REPORT_H

#include "firewall/facts.h"

/* firewall.ssh.* */
void report_ssh(const struct firewall_state *state, struct findings *all);
/* firewall.rule.*: rules of the owner that concern the wanted ports */
void report_rules(const struct firewall_options *o, const struct firewall_state *state,
                  struct findings *all);
/* firewall.others, .docker, .forward, .ipv6.off */
void report_surroundings(const struct firewall_options *o, const struct firewall_state *state,
                         const struct ports_list *listeners, struct findings *all);
/* firewall.timer, .guard: what would undo a change when nobody is left to; false: one of them */
bool report_guards(const struct firewall_options *o, const struct firewall_facts *facts,
                   struct findings *all);
void report_pending(struct findings *all);
/* firewall.ready, when no finding since index first is a failure */
void report_ready(const struct firewall_state *state, size_t first, struct findings *all);

#endif
