/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INI files read against a table: an option is one row. Unknown sections and keys, values that
 * their parser refuses and keys given twice are errors with file and line. The only user of inih.
 */
#ifndef BASE_SETTINGS_H
#define BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

/*
 * Parses value (already trimmed, "" when empty) into the field at target.
 * false: *f holds the reason without file and line.
 */
typedef bool (*setting_parser)(const char *value, void *target, struct fault *f);

struct setting {
    const char *section;
    const char *key;
    setting_parser parse;
    size_t offset; /* of the field in the object given to settings_read */
};

/* Ready parsers. Strings are allocated (the old value is freed); "" gives NULL. */
bool setting_string(const char *value, void *target, struct fault *f); /* char * */
bool setting_path(const char *value, void *target, struct fault *f);   /* char *, no line breaks */
bool setting_bool(const char *value, void *target, struct fault *f);   /* bool: yes/no, on/off,
                                                                           true/false, 1/0 */
bool setting_rate(const char *value, void *target, struct fault *f);   /* uint64_t bits per second,
                                                                           "off" is 0 */

/*
 * Reads text (name is used in errors as NAME:LINE: …) by the table rows[0..count).
 * A comment starts with ';' or '#' at the start of a line or after white space.
 * Stops at the first error; object is then partly filled and must be freed as usual.
 */
bool settings_read(const char *name, const char *text, const struct setting *rows, size_t count,
                   void *object, struct fault *f);

#endif
