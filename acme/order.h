/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to a certificate: phases (state.h), each written before it is begun, so that a crash at
 * any instant goes on with the same order.
 */
#ifndef ACME_ORDER_H
#define ACME_ORDER_H

#include <stdbool.h>

#include "acme/session.h"

/*
 * Goes from the stored phase to an installed and proven certificate; from PHASE_IDLE it begins an
 * order. On failure the state tells where to go on, or is idle when the order is beyond help.
 */
bool order_drive(struct session *s, struct failure *fail);

/* Orders, lets the CA validate, and leaves the order at that: for a trial session. */
bool order_rehearse(struct session *s, struct failure *fail);

/* Gives the order under way up; authorizations of it that are pending are taken back at its CA with
 * the next order there (leftover.h). */
bool order_give_up(struct session *s, struct failure *fail);

/* Takes back what an earlier run could not (a TXT record), unless it serves still: what is due, or
 * all of it. Forgets an order that was made for another domain or profile than configured now, or
 * for a CA that is not in the list. */
bool order_reconcile(struct session *s, const struct authority *list, size_t count, bool all,
                     struct failure *fail);

#endif
