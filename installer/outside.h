/* SPDX-License-Identifier: Apache-2.0 */
/* The way from the internet to this server, which cannot be walked from here: what is known of it,
 * and what to look at. Pure. */
#ifndef INSTALLER_OUTSIDE_H
#define INSTALLER_OUTSIDE_H

#include "base/config.h"
#include "base/finding.h"
#include "dnscheck/dnscheck.h"
#include "installer/acmestatus.h"

/* outside.console, with the ports to open at the provider, in the words of its console. */
void outside_console(const struct config *c, enum cloud cloud, enum severity severity,
                     struct findings *all);

/*
 * outside.tls: ok when the CA has reached the port from outside not long ago, as it does before it
 * gives a certificate; skip otherwise. st NULL: nothing is known of the certificate.
 */
void outside_proof(const struct config *c, const struct acmestatus *st, time_t now,
                   struct findings *all);

#endif
