/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/stop.h"

#include <signal.h>
#include <string.h>
#include <time.h>

/* A signal's value is never replaced by the other one. */
enum { RUNNING = 0, SIGNALLED = 1, EXPIRED = 2 };

static volatile int wanted;

static void on_signal(int signum)
{
    wanted = SIGNALLED;
    if (signum == SIGINT)
        signal(SIGINT, SIG_DFL);
}

void stop_install(void)
{
    struct sigaction action, before;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal; /* without SA_RESTART: a blocking read has to come back */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* nohup */
        sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL); /* ulimit -f: an error that can be told */
}

const volatile int *stop_flag(void)
{
    return &wanted;
}

bool stop_wanted(void)
{
    return wanted != 0;
}

void stop_sleep(int ms)
{
    for (int left = ms; left > 0 && !wanted; left -= 100) {
        struct timespec nap = {.tv_nsec = (left < 100 ? left : 100) * 1000000L};
        nanosleep(&nap, NULL);
    }
}

static void exchange(int from, int to)
{
    __atomic_compare_exchange_n(&wanted, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void stop_expire(void)
{
    exchange(RUNNING, EXPIRED);
}

void stop_resume(void)
{
    exchange(EXPIRED, RUNNING);
}
