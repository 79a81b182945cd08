/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/stop.h"

#include <signal.h>
#include <string.h>
#include <time.h>

static volatile int wanted;

static void on_signal(int signum)
{
    wanted = 1;
    if (signum == SIGINT)
        signal(SIGINT, SIG_DFL);
}

void stop_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal; /* without SA_RESTART: a blocking read has to come back */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
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
