/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACME_ROLLOVER_H
#define ACME_ROLLOVER_H

#include <stdbool.h>

#include "acme/session.h"

/*
 * Gives the account at s->ca another key (RFC 8555 7.3.5); its URL, and so a CAA record, stays. The
 * new key is on disk before the CA hears of it; when an answer is lost, the CA is asked with both
 * keys, at once or by the next run (account_ready). The client must be open.
 */
bool rollover(struct session *s, struct failure *fail);

#endif
