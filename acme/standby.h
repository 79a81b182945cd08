/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACME_STANDBY_H
#define ACME_STANDBY_H

#include "acme/facts.h"
#include "acme/session.h"

/*
 * Makes the account at the second CA while all is well, so that it is there when it is needed, and
 * the keys of its external account binding do not expire unused. Once done, nothing happens.
 * A failure is a warning, and is tried again later. The session turns to the second CA.
 */
void standby_ready(struct session *s, const struct authority *second, const struct facts *facts);

#endif
