/* SPDX-License-Identifier: Apache-2.0 */
/* Step: there is a certificate for the domain, and the timer that renews it runs. */
#ifndef INSTALLER_CERTIFICATE_H
#define INSTALLER_CERTIFICATE_H

#include "base/buf.h"
#include "installer/setup.h"

/*
 * The beginning of an argv that runs derp-acme as its own user, ended with us: changing the user
 * would clear the death signal that run() sets, so setpriv sets it again.
 */
#define CERTIFICATE_USER "_derp-acme"
#define CERTIFICATE_AS_ACME                                                                        \
    "setpriv", "--pdeathsig", "KILL", "--reuid=" CERTIFICATE_USER, "--regid=" CERTIFICATE_USER,    \
        "--init-groups", "--inh-caps=-all", "--no-new-privs"

bool certificate_is_needed(const struct setup *s);
void certificate_describe(const struct setup *s, struct buf *text);

/*
 * `derp-acme issue`, then the timer, whatever came of it: EXIT_CERTIFICATE when there is no good
 * certificate yet.
 */
enum setup_exit certificate_run(struct setup *s);

/*
 * Runs derp-acme with a verb ("issue", "renew") as its own user, showing what it says. Findings
 * certificate.ok, certificate.failed (with the CA's words), certificate.expired.
 */
enum setup_exit certificate_ask(struct setup *s, const char *verb);

/* What derp-acme says went wrong: its error lines joined, cut to cap; "" without any. Pure. */
void certificate_reason(const char *log, char *reason, size_t cap);

/* What to do about such a reason. Pure. */
const char *certificate_fix(const char *reason);

#endif
