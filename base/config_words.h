/* SPDX-License-Identifier: Apache-2.0 */
/* What the parsers of the config's values have in common. Pure; for base/config_*.c. */
#ifndef BASE_CONFIG_WORDS_H
#define BASE_CONFIG_WORDS_H

#include <stdbool.h>

#include "base/fault.h"

#define CONFIG_SHOWN 120 /* how much of a bad value an error repeats */

/* Sets f to "expected …, found "VALUE"", the value printable and cut; always false. */
bool config_bad_value(struct fault *f, const char *expected, const char *value);

/* Cuts the next word off *rest; NULL when there is none. Changes the text in place. */
char *config_next_word(char **rest);

/* What may stand in a URL unescaped (RFC 3986 2), and a host after the scheme ("https://"). */
bool config_url_is_sound(const char *url, const char *scheme);

#endif
