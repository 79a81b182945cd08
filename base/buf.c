/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_CAP 256

void buf_init(struct buf *b, size_t max)
{
    /* One less than everything, so that ceiling + terminator never overflows. */
    *b = (struct buf){.max = max < SIZE_MAX ? max : SIZE_MAX - 1};
}

/* Grows to hold len + n bytes and a terminator; false past the ceiling. */
static bool grow(struct buf *b, size_t n)
{
    if (b->len > b->max || n > b->max - b->len)
        return false;
    size_t need = b->len + n + 1;
    if (need <= b->cap)
        return true;

    /* Doubling keeps appends cheap; the ceiling keeps a full buffer from taking twice its size. */
    size_t cap = b->cap ? b->cap : FIRST_CAP;
    while (cap < need)
        cap = cap > b->max / 2 ? b->max + 1 : cap * 2;
    b->data = mem_resize(b->data, cap, 1);
    b->cap = cap;
    return true;
}

void *buf_reserve(struct buf *b, size_t n)
{
    return grow(b, n) ? b->data + b->len : NULL;
}

bool buf_append(struct buf *b, const void *p, size_t n)
{
    if (!grow(b, n))
        return false;
    if (n)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = 0;
    return true;
}

bool buf_puts(struct buf *b, const char *s)
{
    return buf_append(b, s, strlen(s));
}

bool buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *s = mem_vprintf(format, args);
    va_end(args);
    bool ok = buf_puts(b, s);
    free(s);
    return ok;
}

void buf_consume(struct buf *b, size_t n)
{
    if (n == 0)
        return;
    if (n < b->len)
        memmove(b->data, b->data + n, b->len - n);
    b->len -= n < b->len ? n : b->len;
    if (b->data)
        b->data[b->len] = 0;
}

const char *buf_text(const struct buf *b)
{
    if (!b->data)
        return "";
    /* Bytes may have been added behind buf_reserve; grow() always leaves room for this one. */
    b->data[b->len] = 0;
    return (const char *)b->data;
}

void buf_free(struct buf *b)
{
    free(b->data);
    buf_init(b, b->max);
}

void buf_wipe(struct buf *b)
{
    mem_wipe(b->data, b->cap);
    buf_free(b);
}
