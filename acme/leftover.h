/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACME_LEFTOVER_H
#define ACME_LEFTOVER_H

#include "acme/session.h"

/*
 * Deactivates the authorizations that are still pending of an order that was given up (RFC
 * 8555 7.5.2): CAs allow a limited number of them. The session must be online. Whatever comes of
 * it, the order is forgotten: they expire by themselves in the end.
 */
void leftover_deactivate(struct session *s);

/* The order under way, which has been validated in part, becomes the one to forget like that. */
void leftover_note(struct state *s);

/* Takes an authorization back, so that it is not reused. Whether it could be is only logged. */
void leftover_renounce(struct session *s, const char *url);

#endif
