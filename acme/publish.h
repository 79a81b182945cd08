/* SPDX-License-Identifier: Apache-2.0 */
/* Where the CA finds the answer to a challenge: by tls-alpn-01 and http-01 a file that derpd
 * serves, by dns-01 a TXT record that a hook makes. */
#ifndef ACME_PUBLISH_H
#define ACME_PUBLISH_H

#include <stdbool.h>

#include "acme/session.h"

/* The configured type can validate the configured domain; otherwise words that say what can. */
bool publish_possible(const struct config *config, struct failure *fail);

/*
 * Publishes the answer to a challenge with this token, of the configured type, and looks whether it
 * can be seen: by http-01 through derpd's own port, by dns-01 at the domain's name servers, for as
 * long as dns-wait allows. What dns-01 is about to present is in the state first, so that it is
 * taken away whatever happens.
 */
bool publish(struct session *s, const char *token, struct failure *fail);

/* Takes back whatever is published. What the hook does not take away stays in the state (stale.h).
 */
void publish_withdraw(struct session *s);

/* Tries again to take away what an earlier run could not, when that is due, or all of it. */
void publish_tidy(struct session *s, bool all);

#endif
