/* SPDX-License-Identifier: Apache-2.0 */
/* Checked allocation: these never return NULL; without memory the process logs and aborts. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

/* Zeroed memory for count elements of size bytes. Free with free(). */
void *mem_alloc(size_t count, size_t size);

/* Resizes to count elements of size bytes; new bytes are not zeroed. p may be NULL. */
void *mem_resize(void *p, size_t count, size_t size);

/* A copy of n bytes, or of a string (NULL gives NULL). Free with free(). */
void *mem_copy(const void *p, size_t n);
char *mem_strdup(const char *s);

/* A formatted string. Free with free(). */
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *mem_vprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* Overwrites n bytes in a way that the compiler keeps (libsodium). p may be NULL if n is 0. */
void mem_wipe(void *p, size_t n);

#endif
