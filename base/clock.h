/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Milliseconds / nanoseconds of CLOCK_MONOTONIC: for timeouts. */
int64_t clock_mono_ms(void);
int64_t clock_mono_ns(void);

/* Seconds since 1970 of the wall clock: for certificates and schedules. */
time_t clock_wall(void);

/* When this program was built (from SOURCE_DATE_EPOCH or the compile time): a wall clock
 * before it is provably wrong. */
time_t clock_build(void);

/* "2026-11-23T08:39:54Z" (RFC 3339), buffer of 21 bytes or more; returns text. */
#define CLOCK_TEXT 24
char *clock_print(time_t t, char text[static CLOCK_TEXT]);

/* Reads the format above (fractions of a second are skipped); false on anything else. */
bool clock_parse(const char *s, time_t *t);

#endif
