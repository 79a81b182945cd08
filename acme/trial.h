/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACME_TRIAL_H
#define ACME_TRIAL_H

#include <stdbool.h>

#include "acme/facts.h"
#include "acme/session.h"

/*
 * After repeated failed validations (TRIAL_AFTER in a row) at the first CA: lets its staging
 * directory validate first, so that a path that is still broken costs nothing at the CA itself.
 * True when the CA may be asked: the trial worked, none is called for, or it could not be made
 * (staging is not there, or refuses for other reasons). false: staging could not validate either;
 * fail says so. A validation that staging remembers is none: its authorizations are taken back.
 * Nothing of the trial is kept but the account, and when staging wants to be left in peace. Not in
 * an emergency, and not with
 * dns-01, where a crash in between would leave a record behind.
 */
#define TRIAL_AFTER 3
bool trial_passes(struct session *s, const struct facts *facts, struct failure *fail);

#endif
