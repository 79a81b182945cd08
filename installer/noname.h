/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A relay without a domain (--ip): its name is its address. Its certificate is a CA's for that
 * address (RFC 8738), or its own, which clients know by the fingerprint in the derpMap (CertName
 * "sha256-raw:…").
 */
#ifndef INSTALLER_NONAME_H
#define INSTALLER_NONAME_H

#include "installer/leaf.h"
#include "installer/setup.h"

/*
 * With --ip: makes this server's address the domain of the options, that of --ip4 or an earlier run
 * or else the public one that interfaces, cloud and others tell; and chooses the certificate of a
 * first run: the CA's when its directory has the profile "shortlived" (or --acme-profile names
 * one), else its own (finding certificate.self-signed, skip, in s->early). EXIT_PREFLIGHT when
 * there is no address that clients could reach (findings address.*).
 */
enum setup_exit noname_prepare(struct setup *s);

/* Instead of the DNS: the address of the config is one of this server's. Fills s->dns. Findings
 * dns.skipped (skip), address.mismatch (fail). */
void noname_check(struct setup *s, struct findings *all);

/*
 * certificate.ok with the fingerprint, certificate.pin (warn: it changes, and when, once derpd has
 * made next, which is NULL before; or it has to change within 60 days and there is none),
 * certificate.expired (fail). Pure.
 */
void noname_judge(const struct leaf *leaf, const struct leaf *next, time_t now,
                  struct findings *all);

#endif
