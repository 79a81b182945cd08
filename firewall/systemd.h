/* SPDX-License-Identifier: Apache-2.0 */
/* The few questions this library asks systemd, by systemctl, and what it has it do. */
#ifndef FIREWALL_SYSTEMD_H
#define FIREWALL_SYSTEMD_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/fault.h"

/* Is systemd the running init (sd_booted(3))? */
bool systemd_runs(void);

/* ActiveState, UnitFileState and Listen of a unit as "NAME=value" lines into b. */
bool systemd_show(const char *unit, struct buf *b);

/* Is it running now; will it be started at boot? false also when systemd cannot be asked. */
bool systemd_active(const char *unit);
bool systemd_enabled(const char *unit);

/* Is it there and was it disabled? false also when systemd cannot be asked. */
bool systemd_disabled(const char *unit);

/* No longer started at boot and, with stop, not by the boot that is under way either. Waits for no
 * unit, as the guard is itself one that others wait for. */
bool systemd_disable(const char *unit, bool stop, struct fault *f);

#endif
