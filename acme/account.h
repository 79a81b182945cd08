/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACME_ACCOUNT_H
#define ACME_ACCOUNT_H

#include <stdbool.h>

#include "acme/session.h"

/*
 * Makes the session's client able to sign as the account (RFC 8555 7.3): key from the store or
 * made there first, URL from the store or from the CA, which knows an old key again; the account
 * is created only for a new key, or when the CA says that it does not exist.
 */
bool account_ready(struct session *s, struct failure *fail);

/* The same after the CA said accountDoesNotExist: the stored URL no longer counts. */
bool account_again(struct session *s, struct failure *fail);

/* After a key rollover whose end is not known (account_store_has_next): asks the CA with the new
 * key and keeps the one that holds. account_ready does this by itself. */
bool account_settle(struct session *s, struct failure *fail);

#endif
