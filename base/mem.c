/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static _Noreturn void die(size_t count, size_t size)
{
    log_error("out of memory: %zu times %zu bytes", count, size);
    abort();
}

void *mem_alloc(size_t count, size_t size)
{
    /* calloc(0) may return NULL, which would look like a failure. */
    void *p = count && size ? calloc(count, size) : calloc(1, 1);
    if (!p)
        die(count, size);
    return p;
}

void *mem_resize(void *p, size_t count, size_t size)
{
    void *q = count && size ? reallocarray(p, count, size) : realloc(p, 1);
    if (!q)
        die(count, size);
    return q;
}

void *mem_copy(const void *p, size_t n)
{
    void *q = malloc(n ? n : 1);
    if (!q)
        die(1, n);
    if (n)
        memcpy(q, p, n);
    return q;
}

char *mem_strdup(const char *s)
{
    return s ? mem_copy(s, strlen(s) + 1) : NULL;
}

char *mem_vprintf(const char *format, va_list args)
{
    char *s;
    if (vasprintf(&s, format, args) < 0)
        die(1, strlen(format));
    return s;
}

char *mem_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *s = mem_vprintf(format, args);
    va_end(args);
    return s;
}

void mem_wipe(void *p, size_t n)
{
    if (n)
        sodium_memzero(p, n);
}
