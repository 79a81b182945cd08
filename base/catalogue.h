/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a GNU .mo file, what msgfmt makes of a .po file (GNU gettext manual, "The Format of GNU
 * MO Files"). Pure.
 */
#ifndef BASE_CATALOGUE_H
#define BASE_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct catalogue {
    const unsigned char *data; /* the caller's, and has to stay */
    size_t len;
    bool big; /* numbers are big endian */
    uint32_t count;
    size_t originals, translations; /* where the two tables begin */
};

/* False when the bytes are no such file, or a string in it does not end within it. */
bool catalogue_open(struct catalogue *c, const void *data, size_t len);

/*
 * The translation of a text, or NULL. With a context (msgctxt), the translation for that context
 * only; NULL: for texts that have none.
 */
const char *catalogue_get(const struct catalogue *c, const char *context, const char *text);

#endif
