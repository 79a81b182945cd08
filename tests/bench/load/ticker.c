/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/ticker.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void on_readable(void *arg, int events)
{
    struct ticker *t = arg;
    uint64_t times;

    (void)events;
    if (read(t->fd, &times, sizeof times) == sizeof times)
        t->fn(t->arg);
}

void ticker_init(struct ticker *t, struct loop *loop, void (*fn)(void *arg), void *arg)
{
    t->fn = fn;
    t->arg = arg;
    t->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (t->fd < 0)
        abort();
    loop_io_init(&t->io, loop, t->fd, on_readable, t);
    loop_io_want(&t->io, LOOP_READ);
}

void ticker_at(struct ticker *t, int64_t ns)
{
    struct itimerspec when = {.it_value = {ns / 1000000000, ns % 1000000000}};

    timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void ticker_stop(struct ticker *t)
{
    loop_io_want(&t->io, 0);
    close(t->fd);
}
