/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer with a ceiling. Appending past the ceiling fails and leaves the
 * buffer as it was, so a peer can never make it grow without bound.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    unsigned char *data; /* NULL while empty and never grown; data[len] is 0 after an append */
    size_t len;
    size_t cap;
    size_t max; /* ceiling of len in bytes */
};

/* An empty buffer that may hold up to max bytes; allocates nothing yet. */
void buf_init(struct buf *b, size_t max);

/* Appends n bytes / a string / formatted text; false when it would exceed the ceiling. */
bool buf_append(struct buf *b, const void *p, size_t n);
bool buf_puts(struct buf *b, const char *s);
bool buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Room for n more bytes at data + len (caller then adds to len); NULL past the ceiling. */
void *buf_reserve(struct buf *b, size_t n);

/* Drops the first n bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);

/* The content as a terminated string; "" while empty. Valid until the next change. */
const char *buf_text(const struct buf *b);

/* Gives the memory back; the buffer is empty and usable with its old ceiling. */
void buf_free(struct buf *b);

/* Like buf_free, after wiping the content: for secrets. */
void buf_wipe(struct buf *b);

#endif
