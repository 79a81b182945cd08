/* SPDX-License-Identifier: Apache-2.0 */
/* What the answer of an admission source to the question about a key that nobody has means. Pure.
 */
#ifndef INSTALLER_CLIENTSJUDGE_H
#define INSTALLER_CLIENTSJUDGE_H

#include <stdbool.h>

#include "base/finding.h"

/* One source of [admission] allow, and the HTTP status that it answered with; 0: it did not, for
 * reason. */
struct clientsjudge {
    const char *where; /* path of tailscaled's socket, or URL */
    long status;
    const char *body; /* "" without */
    const char *reason;
    bool fail_open; /* without an answer everybody is admitted, else nobody new */
};

/* tailscaled's whois: clients.tailscaled (fail, or warn with fail_open). true: it works. */
bool clientsjudge_whois(const struct clientsjudge *j, struct findings *all);

/* An admission URL: clients.url (fail, or warn with fail_open), clients.url.open (warn: it admits a
 * key that nobody has). true: it works. */
bool clientsjudge_url(const struct clientsjudge *j, struct findings *all);

#endif
