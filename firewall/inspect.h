/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the state, as inspection and the reading back after a change do. */
#ifndef FIREWALL_INSPECT_H
#define FIREWALL_INSPECT_H

#include "firewall/facts.h"

/*
 * Everything but the judgements: fills state (others stays empty), and the listeners unless NULL.
 * Findings are added only for what could not be read; false then, or when stopped.
 */
bool inspect_read(const struct firewall_options *o, struct firewall_state *state,
                  struct ports_list *listeners, struct findings *all);

#endif
