/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a change that did not come to one. */
#ifndef FIREWALL_SETTLE_H
#define FIREWALL_SETTLE_H

#include "firewall/transaction.h"

/* Restores what was before, with the marker there: FIREWALL_RESTORED or FIREWALL_BROKEN. */
enum firewall_outcome settle_restore(const struct transaction *t, struct findings *all);

#endif
