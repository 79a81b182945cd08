/* SPDX-License-Identifier: Apache-2.0 */
/* A change that waits for somebody to log in anew. */
#ifndef FIREWALL_CONFIRM_H
#define FIREWALL_CONFIRM_H

#include "firewall/transaction.h"

/* Pure: does this plan, made for this state, have to be confirmed by a new login? */
bool confirm_is_wanted(const struct firewall_options *o, const struct firewall_state *state,
                       const struct firewall_plan *plan);

/* For so long, in seconds. */
unsigned confirm_timeout(const struct firewall_options *o);

/* Waits; true when the change is to be kept, otherwise it is to be undone. */
bool confirm_await(const struct firewall_options *o, const struct transaction *t,
                   const struct firewall_hooks *hooks, struct findings *all);

#endif
