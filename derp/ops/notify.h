/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd is told (sd_notify(3)); without systemd the log says it. */
#ifndef DERP_OPS_NOTIFY_H
#define DERP_OPS_NOTIFY_H

#include <stdbool.h>

#include "derp/net/loop.h"

/* READY=1 and the log line "ready". */
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

/* Tells the watchdog twice per WatchdogSec= that we live, as long as is_alive says so. No-op
 * without a watchdog. The timer lives as long as the process. */
void notify_watchdog(struct loop *l, bool (*is_alive)(void *arg), void *arg);
void notify_watchdog_stop(void);

#endif
