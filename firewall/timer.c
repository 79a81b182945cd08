/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/timer.h"

#include <stdio.h>

#include "base/run.h"
#include "firewall/systemd.h"

#define TIMEOUT_MS 15000
#define MAX_ARGS   32

static bool run_quiet(const char *const argv[], struct fault *f)
{
    char how[300];
    struct run_options opt = {.timeout_ms = TIMEOUT_MS};
    struct run_result r = {0};
    bool ok = run(argv, &opt, &r, f);
    if (ok && !run_ok(&r)) {
        run_explain(&r, how, sizeof how);
        ok = fault_set(f, "%s: %s", argv[0], how);
    }
    run_free(&r);
    return ok;
}

void timer_disarm(void)
{
    static const char *const argv[] = {"systemctl", "stop", TIMER_UNIT ".timer", NULL};
    if (systemd_runs() && systemd_active(TIMER_UNIT ".timer"))
        run_quiet(argv, NULL);
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
    if (!run_quiet(argv, f))
        return false;
    return systemd_active(TIMER_UNIT ".timer") ||
           fault_set(f, "systemd does not say that the timer is active");
}
