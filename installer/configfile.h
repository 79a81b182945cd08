/* SPDX-License-Identifier: Apache-2.0 */
/* Step: /etc/derp/derp.conf is as desired. */
#ifndef INSTALLER_CONFIGFILE_H
#define INSTALLER_CONFIGFILE_H

#include "base/buf.h"
#include "installer/setup.h"

bool configfile_is_needed(const struct setup *s);
void configfile_describe(const struct setup *s, struct buf *text);

/* Writes it beside the old one, lets `derpd --check` judge it, then puts it in place (0644). */
enum setup_exit configfile_run(struct setup *s);

#endif
