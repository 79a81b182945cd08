/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACME_RENEWAL_H
#define ACME_RENEWAL_H

#include "acme/facts.h"
#include "acme/session.h"

/*
 * Asks the CA of the installed certificate when it would have it renewed (RFC 9773 4), if it is
 * time to ask, and keeps the answer in the state. No answer is no failure: it is asked again later,
 * and the backstops of schedule.h hold. Nothing is asked about a certificate that is unusable or
 * about to expire. The conversation of the session is not touched.
 */
void renewal_look(struct session *s, const struct authority *list, size_t count,
                  const struct facts *facts);

#endif
