/* SPDX-License-Identifier: Apache-2.0 */
#include "base/refill.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/width.h"

#define NUMBER_MAX 1000 /* of columns and digits */
#define PLAIN_MAX  (NUMBER_MAX + 400)
#define NONE       (-1)
#define STAR       (-2)

/* "%-12.3ld", taken apart. */
struct spec {
    int position; /* of "%2$s"; NONE: the next one */
    char flags[8];
    bool left;            /* flag - or a negative width */
    int width, precision; /* NONE, STAR or a number */
    char length;          /* '\0', 'h', 'H' (hh), 'l', 'L' (ll), 'j', 'z', 't' */
    char type;
};

/* --- Reading a specification ---------------------------------------------------------------------
 */

static bool read_number(const char **s, int *number)
{
    *number = 0;
    while (**s >= '0' && **s <= '9') {
        *number = *number * 10 + (*(*s)++ - '0');
        if (*number > NUMBER_MAX)
            return false;
    }
    return true;
}

static bool read_amount(const char **s, int *amount)
{
    if (**s == '*') {
        (*s)++;
        *amount = STAR;
        return true;
    }
    return read_number(s, amount);
}

static void read_length(const char **s, char *length)
{
    *length = '\0';
    if (!**s || !strchr("hljzt", **s))
        return;
    *length = *(*s)++;
    if ((*length == 'h' || *length == 'l') && **s == *length) {
        (*s)++;
        *length = *length == 'h' ? 'H' : 'L';
    }
}

/* *s stands behind the %, and then behind the whole. */
static bool read_spec(const char **s, struct spec *spec)
{
    size_t n = 0;
    *spec = (struct spec){.position = NONE, .width = NONE, .precision = NONE};
    const char *start = *s;
    if (**s >= '1' && **s <= '9') {
        if (!read_number(s, &spec->position))
            return false;
        if (**s == '$') {
            (*s)++;
        } else {
            *s = start;
            spec->position = NONE;
        }
    }
    while (**s && strchr("-+ #0", **s)) {
        if (n + 1 >= sizeof spec->flags)
            return false;
        spec->left |= **s == '-';
        spec->flags[n++] = *(*s)++;
    }
    if (((**s >= '1' && **s <= '9') || **s == '*') && !read_amount(s, &spec->width))
        return false;
    if (**s == '.') {
        (*s)++;
        if (!read_amount(s, &spec->precision))
            return false;
    }
    read_length(s, &spec->length);
    if (!**s || !strchr("diouxXfFeEgGcs%", **s))
        return false;
    spec->type = *(*s)++;
    bool star = spec->width == STAR || spec->precision == STAR;
    return !(star && spec->position != NONE) && !(spec->length && strchr("csfFeEgG", spec->type));
}

static enum refill_kind kind_of(char type)
{
    if (strchr("dic", type))
        return REFILL_SIGNED;
    if (strchr("ouxX", type))
        return REFILL_UNSIGNED;
    return type == 's' ? REFILL_STRING : REFILL_DOUBLE;
}

/* --- Taking down ---------------------------------------------------------------------------------
 */

static bool add(struct refill *r, enum refill_kind kind)
{
    if (r->count == REFILL_MAX)
        return false;
    r->list[r->count++].kind = kind;
    return true;
}

/* A va_list that several functions read from has to be passed by address. */
struct arguments {
    va_list list;
};

static intmax_t take_signed(char length, struct arguments *a)
{
    switch (length) {
    case 'H':
        return (signed char)va_arg(a->list, int);
    case 'h':
        return (short)va_arg(a->list, int);
    case 'l':
        return va_arg(a->list, long);
    case 'L':
        return va_arg(a->list, long long);
    case 'j':
        return va_arg(a->list, intmax_t);
    case 'z':
        return va_arg(a->list, ssize_t);
    case 't':
        return va_arg(a->list, ptrdiff_t);
    default:
        return va_arg(a->list, int);
    }
}

static uintmax_t take_unsigned(char length, struct arguments *a)
{
    switch (length) {
    case 'H':
        return (unsigned char)va_arg(a->list, unsigned);
    case 'h':
        return (unsigned short)va_arg(a->list, unsigned);
    case 'l':
        return va_arg(a->list, unsigned long);
    case 'L':
        return va_arg(a->list, unsigned long long);
    case 'j':
        return va_arg(a->list, uintmax_t);
    case 'z':
        return va_arg(a->list, size_t);
    case 't':
        return (uintmax_t)va_arg(a->list, ptrdiff_t);
    default:
        return va_arg(a->list, unsigned);
    }
}

static bool take_one(struct refill *r, const struct spec *spec, struct arguments *a)
{
    for (int stars = (spec->width == STAR) + (spec->precision == STAR); stars > 0; stars--) {
        if (!add(r, REFILL_SIGNED))
            return false;
        r->list[r->count - 1].i = va_arg(a->list, int);
    }
    if (spec->type == '%')
        return true;
    if (spec->position != NONE || !add(r, kind_of(spec->type)))
        return false;
    size_t at = r->count - 1;
    switch (r->list[at].kind) {
    case REFILL_SIGNED:
        r->list[at].i = take_signed(spec->length, a);
        break;
    case REFILL_UNSIGNED:
        r->list[at].u = take_unsigned(spec->length, a);
        break;
    case REFILL_DOUBLE:
        r->list[at].d = va_arg(a->list, double);
        break;
    case REFILL_STRING:
        r->list[at].s = va_arg(a->list, const char *);
        break;
    }
    return true;
}

bool refill_take(struct refill *r, const char *format, va_list args)
{
    struct arguments a;
    bool fine = true;
    r->count = 0;
    va_copy(a.list, args);
    while (fine && *format) {
        struct spec spec;
        if (*format++ != '%')
            continue;
        fine = read_spec(&format, &spec) && take_one(r, &spec, &a);
    }
    va_end(a.list);
    return fine;
}

/* --- Filling -------------------------------------------------------------------------------------
 */

struct filling {
    const struct refill *r;
    size_t next;
    char *(*exchange)(void *arg, const char *s);
    void *arg;
    struct buf *out;
};

static bool next_star(struct filling *f, int *amount)
{
    if (f->next >= f->r->count || f->r->list[f->next].kind != REFILL_SIGNED)
        return false;
    intmax_t i = f->r->list[f->next++].i;
    if (i > NUMBER_MAX || i < -NUMBER_MAX)
        return false;
    *amount = (int)i;
    return true;
}

/* Puts the numbers that come as arguments into the specification. */
static bool settle_stars(struct filling *f, struct spec *spec)
{
    if (spec->width == STAR) {
        if (!next_star(f, &spec->width))
            return false;
        spec->left |= spec->width < 0;
        spec->width = abs(spec->width);
    }
    if (spec->precision == STAR) {
        if (!next_star(f, &spec->precision))
            return false;
        if (spec->precision < 0)
            spec->precision = NONE;
    }
    return true;
}

static bool put_number(struct filling *f, const struct spec *spec, size_t at)
{
    char format[64], text[PLAIN_MAX];
    int n = snprintf(format, sizeof format, "%%%s%s", spec->flags, spec->left ? "-" : "");
    if (spec->width >= 0)
        n += snprintf(format + n, sizeof format - (size_t)n, "%d", spec->width);
    if (spec->precision >= 0)
        n += snprintf(format + n, sizeof format - (size_t)n, ".%d", spec->precision);
    bool whole = f->r->list[at].kind != REFILL_DOUBLE && spec->type != 'c';
    snprintf(format + n, sizeof format - (size_t)n, "%s%c", whole ? "j" : "", spec->type);
    if (f->r->list[at].kind == REFILL_DOUBLE)
        snprintf(text, sizeof text, format, f->r->list[at].d);
    else if (spec->type == 'c')
        snprintf(text, sizeof text, format, (int)f->r->list[at].i);
    else if (f->r->list[at].kind == REFILL_SIGNED)
        snprintf(text, sizeof text, format, f->r->list[at].i);
    else
        snprintf(text, sizeof text, format, f->r->list[at].u);
    return buf_puts(f->out, text);
}

static bool put_string(struct filling *f, const struct spec *spec, const char *s)
{
    if (!s)
        s = "(null)";
    char *shown = spec->precision < 0 && f->exchange ? f->exchange(f->arg, s) : NULL;
    const char *text = shown ? shown : s;
    size_t n = spec->precision < 0 ? strlen(text) : strnlen(text, (size_t)spec->precision);
    int columns = width_columns(text, n);
    int pad = columns < spec->width ? spec->width - columns : 0;
    bool fine = (spec->left || buf_printf(f->out, "%*s", pad, "")) && buf_append(f->out, text, n) &&
                (!spec->left || buf_printf(f->out, "%*s", pad, ""));
    free(shown);
    return fine;
}

static bool fill_one(struct filling *f, struct spec *spec)
{
    if (spec->type == '%')
        return buf_puts(f->out, "%");
    if (!settle_stars(f, spec))
        return false;
    size_t at = spec->position == NONE ? f->next++ : (size_t)spec->position - 1;
    if (at >= f->r->count || f->r->list[at].kind != kind_of(spec->type))
        return false;
    if (f->r->list[at].kind == REFILL_STRING)
        return put_string(f, spec, f->r->list[at].s);
    return put_number(f, spec, at);
}

bool refill_fill(const struct refill *r, const char *format,
                 char *(*exchange)(void *arg, const char *s), void *arg, struct buf *out)
{
    struct filling f = {.r = r, .exchange = exchange, .arg = arg, .out = out};
    while (*format) {
        struct spec spec;
        size_t n = strcspn(format, "%");
        if (!buf_append(out, format, n))
            return false;
        format += n;
        if (*format && (format++, !read_spec(&format, &spec) || !fill_one(&f, &spec)))
            return false;
    }
    return true;
}
