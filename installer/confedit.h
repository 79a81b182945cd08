/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes single values of an INI text and leaves every other byte as it is: the config belongs
 * to the person who may have edited it. Pure; reads the same dialect as base/settings.h.
 */
#ifndef INSTALLER_CONFEDIT_H
#define INSTALLER_CONFEDIT_H

#include <stdbool.h>
#include <stddef.h>

struct confedit {
    const char *section;
    const char *key;
    const char *value; /* NULL: leave alone; "" writes an empty value */
};

/* The text of a new config, without a domain, with every section and a word about each. */
const char *confedit_template(void);

/*
 * The value of [section] key, trimmed and without comment, copied to value (cap bytes, cut).
 * false when the key is not there.
 */
bool confedit_get(const char *text, const char *section, const char *key, char *value, size_t cap);

/*
 * text with the edits made: a value that differs is replaced in its line (its comment stays), a
 * missing key is added at the end of its section, a missing section at the end. A text that has
 * everything already comes back byte for byte. free() the result.
 */
char *confedit_apply(const char *text, const struct confedit *edits, size_t count);

#endif
