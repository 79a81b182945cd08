/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/ops/notify.h"

#include <stdint.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"

static struct {
    struct loop_timer timer;
    int64_t interval_ms; /* 0: no watchdog */
    bool (*is_alive)(void *arg);
    void *arg;
} watchdog;

void notify_ready(void)
{
    sd_notify(0, "READY=1\nSTATUS=serving");
    log_info("ready");
}

void notify_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(clock_mono_ns() / 1000));
}

void notify_stopping(void)
{
    sd_notify(0, "STOPPING=1\nSTATUS=draining");
}

static void on_watchdog(void *unused)
{
    (void)unused;
    if (watchdog.is_alive(watchdog.arg))
        sd_notify(0, "WATCHDOG=1");
    else
        log_error("a worker thread does not turn: leaving it to the watchdog");
    loop_timer_set(&watchdog.timer, watchdog.interval_ms);
}

void notify_watchdog(struct loop *l, bool (*is_alive)(void *arg), void *arg)
{
    uint64_t usec = 0;

    if (sd_watchdog_enabled(0, &usec) <= 0 || usec < 2000)
        return;
    watchdog.interval_ms = (int64_t)(usec / 2000);
    watchdog.is_alive = is_alive;
    watchdog.arg = arg;
    loop_timer_init(&watchdog.timer, l, on_watchdog, NULL);
    loop_timer_set(&watchdog.timer, watchdog.interval_ms);
}

void notify_watchdog_stop(void)
{
    if (watchdog.interval_ms > 0)
        loop_timer_stop(&watchdog.timer);
}
