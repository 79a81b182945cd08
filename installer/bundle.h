/* SPDX-License-Identifier: Apache-2.0 */
/* doctor --report FILE: everything that somebody who helps would ask for, in one text, secrets
 * taken out (scrub.h). */
#ifndef INSTALLER_BUNDLE_H
#define INSTALLER_BUNDLE_H

#include "installer/setup.h"

/* May the report be written to this path? report.exists, report.folder (fail), EXIT_USAGE. */
enum setup_exit bundle_admit(struct setup *s);

/*
 * Writes what this run has found, the config, what systemd, ufw, the kernel, derpd and derp-acme
 * say and the ends of their logs to --report (0600; whole or not at all). Findings report.written
 * (ok), report.failed (fail).
 */
void bundle_write(struct setup *s);

#endif
