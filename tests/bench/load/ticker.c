/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/ticker.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void on_readable(void *arg, int events)
{
    struct ticker *t = arg;
    uint64_t times;

    (void)events;
    /* What is never read is readable in every turn. */
    if (t->spins || read(t->fd, &times, sizeof times) == sizeof times)
        t->fn(t->arg);
}

void ticker_init(struct ticker *t, struct loop *loop, bool spins, void (*fn)(void *arg), void *arg)
{
    t->fn = fn;
    t->arg = arg;
    t->spins = spins;
    t->fd = spins ? eventfd(1, EFD_CLOEXEC)
                  : timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (t->fd < 0)
        abort();
    loop_io_init(&t->io, loop, t->fd, on_readable, t);
}

void ticker_at(struct ticker *t, int64_t ns)
{
    struct itimerspec when = {.it_value = {ns / 1000000000, ns % 1000000000}};

    loop_io_want(&t->io, LOOP_READ);
    if (!t->spins)
        timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void ticker_stop(struct ticker *t)
{
    loop_io_want(&t->io, 0);
    close(t->fd);
}
