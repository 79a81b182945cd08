/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One set of arguments of printf, and two formats: the program's own, which tells their types, and
 * its translation, which may take them in another order ("%2$s") or leave some out, and whose
 * strings may be exchanged. Pure.
 */
#ifndef BASE_REFILL_H
#define BASE_REFILL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define REFILL_MAX 16 /* arguments */

enum refill_kind {
    REFILL_SIGNED,
    REFILL_UNSIGNED,
    REFILL_DOUBLE,
    REFILL_STRING,
};

struct refill {
    size_t count;
    struct {
        enum refill_kind kind;
        union {
            intmax_t i;
            uintmax_t u;
            double d;
            const char *s; /* the caller's */
        };
    } list[REFILL_MAX];
};

/*
 * Takes the arguments of a format down. False for what is not understood: more than REFILL_MAX
 * arguments, numbered ones, wide characters, long double, %n, %p, a stray %.
 */
bool refill_take(struct refill *r, const char *format, va_list args);

/*
 * Appends a format filled with them. exchange(arg, s) gives the text to show in the place of s
 * where no precision cuts it, owned by refill_fill from then on. Its width is in columns of a
 * terminal. False, with rubbish in out, when the format does not fit the arguments or out is full.
 */
bool refill_fill(const struct refill *r, const char *format,
                 char *(*exchange)(void *arg, const char *s), void *arg, struct buf *out);

#endif
