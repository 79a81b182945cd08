/* SPDX-License-Identifier: Apache-2.0 */
/* Can the CA be reached, is it the one we trust, and what is it called in CAA records? Reads only.
 */
#ifndef INSTALLER_CA_H
#define INSTALLER_CA_H

#include "base/config.h"
#include "base/finding.h"
#include "installer/directory.h"

/*
 * Fills ca, which is freed first. ca.ok, ca.unreachable and ca.busy (warn: the timer keeps trying),
 * ca.untrusted, ca.directory, ca.file (fail), ca.skipped (skip: source is not acme), clock.wrong
 * (fail: five minutes off the CA's clock).
 */
void ca_check(const struct config *c, struct directory *ca, struct findings *all);

#endif
