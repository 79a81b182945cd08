/* SPDX-License-Identifier: Apache-2.0 */
/* Telling people: the journal, with a MESSAGE_ID for each event, and the hook of the config. */
#ifndef ACME_EVENT_H
#define ACME_EVENT_H

#include "acme/facts.h"
#include "acme/session.h"
#include "acme/told.h"

#define EVENT_HOOK_MS 30000

/*
 * Tells of an event; EVENT_NONE does nothing. The state is saved first, so that a hook that hangs
 * or crashes us is not called again at each run. The hook gets the event's name as argument, the
 * facts in its environment, and what `status --json` prints on stdin; it has EVENT_HOOK_MS. What
 * becomes of it is logged and otherwise of no consequence.
 */
void event_tell(struct session *s, const struct facts *facts, enum event event);

#endif
