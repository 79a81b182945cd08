/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACME_REVOKE_H
#define ACME_REVOKE_H

#include <stdbool.h>

#include "acme/session.h"

/*
 * Revokes the installed certificate (RFC 8555 7.6), with the account's key or, when the CA refuses
 * that, with the certificate's own, and notes that it is revoked, so that it counts as unusable
 * from now on. *already tells that the CA had revoked it before.
 */
bool revoke(struct session *s, bool *already, struct failure *fail);

#endif
