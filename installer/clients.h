/* SPDX-License-Identifier: Apache-2.0 */
/* Who may use the relay: can the sources of that be read, and do they answer? Reads only. */
#ifndef INSTALLER_CLIENTS_H
#define INSTALLER_CLIENTS_H

#include <stdbool.h>

#include "base/config.h"
#include "base/finding.h"

/* clients.anyone (warn), clients.keys and clients.tailscaled (fail), clients.ok. */
void clients_check(const struct config *c, struct findings *all);

/* The same, and asks each source about a key that nobody has: also clients.url, clients.url.open.
 */
void clients_ask(const struct config *c, struct findings *all);

/* There is a tailscaled on this server, and it answers who is of its tailnet. */
bool clients_has_tailscaled(void);

#endif
