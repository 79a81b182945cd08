/* SPDX-License-Identifier: Apache-2.0 */
/* The timer that undoes a change when nobody is left to: it outlives the login that began it. */
#ifndef FIREWALL_TIMER_H
#define FIREWALL_TIMER_H

#include <stdbool.h>

#include "base/fault.h"

#define TIMER_UNIT "derp-fw-rollback"

/* Has systemd run the command once, so many seconds from now; checked to be set. */
bool timer_arm(const char *const command[], unsigned seconds, struct fault *f);

/* Takes the timer back; nothing happens when there is none. */
void timer_disarm(void);

#endif
