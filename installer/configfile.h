/* SPDX-License-Identifier: Apache-2.0 */
/* Step: /etc/derp/derp.conf is as desired. */
#ifndef INSTALLER_CONFIGFILE_H
#define INSTALLER_CONFIGFILE_H

#include "base/buf.h"
#include "installer/setup.h"

bool configfile_is_needed(const struct setup *s);
void configfile_describe(const struct setup *s, struct buf *text);

/* `derpd --check` of the config at path; false with its words. */
bool configfile_judge(const char *path, struct fault *f);

/* The same of the config as it would be written, before anything is: config.refused (fail). */
void configfile_check(const struct setup *s, struct findings *all);

/* Is the one that was read as derp-setup has written it, and not edited by hand since? */
bool configfile_is_ours(const struct setup *s);

/* Writes it beside the old one, lets `derpd --check` judge it, then puts it in place (0644). */
enum setup_exit configfile_run(struct setup *s);

#endif
