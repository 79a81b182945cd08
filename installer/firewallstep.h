/* SPDX-License-Identifier: Apache-2.0 */
/* Step: the firewall lets in what is wanted and nothing else. */
#ifndef INSTALLER_FIREWALLSTEP_H
#define INSTALLER_FIREWALLSTEP_H

#include "base/buf.h"
#include "installer/setup.h"

bool firewallstep_is_needed(const struct setup *s);
void firewallstep_describe(const struct setup *s, struct buf *text);
enum setup_exit firewallstep_run(struct setup *s);

/* Settles what an earlier run left pending, before anything else. */
enum setup_exit firewallstep_settle(struct setup *s);

/* Writes down how a change ended: what was undone is off the list. */
void firewallstep_close(struct setup *s, enum firewall_outcome outcome);

/* The exit code that an outcome means. */
enum setup_exit firewallstep_exit(enum firewall_outcome outcome);

#endif
