/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Without a known build time no wall clock is provably wrong. */
#ifndef DERP_RELAY_BUILD_TIME
#define DERP_RELAY_BUILD_TIME 0
#endif

int64_t clock_mono_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

time_t clock_wall(void)
{
    return time(NULL);
}

time_t clock_build(void)
{
    return DERP_RELAY_BUILD_TIME;
}

char *clock_print(time_t t, char text[static CLOCK_TEXT])
{
    struct tm tm;
    if (!gmtime_r(&t, &tm) || tm.tm_year + 1900 < 0 || tm.tm_year + 1900 > 9999)
        snprintf(text, CLOCK_TEXT, "0000-00-00T00:00:00Z");
    else
        strftime(text, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return text;
}

/* Where the digits of "2026-11-23T08:39:54" stand. */
static bool has_shape(const char *s)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd";
    for (size_t i = 0; shape[i]; i++) {
        bool ok = shape[i] == 'd' ? isdigit((unsigned char)s[i]) != 0 : s[i] == shape[i];
        if (!ok)
            return false;
    }
    return true;
}

static int two_digits(const char *s)
{
    return (s[0] - '0') * 10 + (s[1] - '0');
}

bool clock_parse(const char *s, time_t *t)
{
    if (!has_shape(s))
        return false;

    const char *rest = s + 19;
    if (*rest == '.') {
        size_t digits = strspn(rest + 1, "0123456789");
        if (digits == 0)
            return false;
        rest += 1 + digits;
    }
    if (strcmp(rest, "Z") != 0)
        return false;

    struct tm tm = {
        .tm_year = two_digits(s) * 100 + two_digits(s + 2) - 1900,
        .tm_mon = two_digits(s + 5) - 1,
        .tm_mday = two_digits(s + 8),
        .tm_hour = two_digits(s + 11),
        .tm_min = two_digits(s + 14),
        .tm_sec = two_digits(s + 17),
    };

    /* timegm() normalises 30 February; what prints differently was no date. */
    time_t value = timegm(&tm);
    char again[CLOCK_TEXT];
    if (strncmp(clock_print(value, again), s, 19) != 0)
        return false;
    *t = value;
    return true;
}
