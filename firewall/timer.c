/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/timer.h"

#include <stdio.h>

#include "base/run.h"
#include "firewall/systemd.h"

#define TIMEOUT_MS 15000
#define MAX_ARGS   32

void timer_disarm(void)
{
    static const char *const argv[] = {"systemctl", "stop", TIMER_UNIT ".timer", NULL};
    if (systemd_runs() && systemd_active(TIMER_UNIT ".timer"))
        run_checked(argv, TIMEOUT_MS, NULL);
}

bool timer_arm(const char *const command[], unsigned seconds, struct fault *f)
{
    char delay[40];
    const char *argv[MAX_ARGS] = {"systemd-run", "--quiet",
                                  "--collect",   "--unit=" TIMER_UNIT,
                                  delay,         "--timer-property=AccuracySec=1s",
                                  "--"};
    size_t n = 7;
    snprintf(delay, sizeof delay, "--on-active=%us", seconds);
    for (; *command; command++) {
        if (n == MAX_ARGS - 1)
            return fault_set(f, "the command has too many words");
        argv[n++] = *command;
    }
    timer_disarm();
    if (!run_checked(argv, TIMEOUT_MS, f))
        return false;
    return systemd_active(TIMER_UNIT ".timer") ||
           fault_set(f, "systemd does not say that the timer is active");
}
