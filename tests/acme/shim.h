/* SPDX-License-Identifier: Apache-2.0 */
/* What libraries that tests preload into derp-acme share: the way to the real functions, and the
 * other clocks of C, which follow the clock_gettime() of the library. */
#ifndef TESTS_ACME_SHIM_H
#define TESTS_ACME_SHIM_H

#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

time_t time(time_t *t)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t)
        *t = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *t = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

#endif
