/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A relay without a domain (--ip): its name is its address, and clients know its certificate by the
 * fingerprint in the derpMap (CertName "sha256-raw:…").
 */
#ifndef INSTALLER_NONAME_H
#define INSTALLER_NONAME_H

#include "installer/leaf.h"
#include "installer/setup.h"

/*
 * With --ip: makes this server's address the domain of the options, that of --ip4 or an earlier run
 * or else the public one of its interfaces. EXIT_PREFLIGHT when there is none that clients could
 * reach (findings address.*).
 */
enum setup_exit noname_address(struct setup *s);

/* Instead of the DNS: the address of the config is one of this server's. Fills s->dns. Findings
 * dns.skipped (skip), address.mismatch (fail). */
void noname_check(struct setup *s, struct findings *all);

/*
 * certificate.ok with the fingerprint, certificate.pin (warn in the 60 days before it has to
 * change), certificate.expired (fail). Pure.
 */
void noname_judge(const struct leaf *leaf, time_t now, struct findings *all);

#endif
