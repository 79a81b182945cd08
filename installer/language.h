/* SPDX-License-Identifier: Apache-2.0 */
/* Which language derp-setup speaks. */
#ifndef INSTALLER_LANGUAGE_H
#define INSTALLER_LANGUAGE_H

#include <stdbool.h>

/* Variables of the environment; NULL: not set. */
struct language_wish {
    const char *lc_all, *lc_messages, *lang, *language;
};

/*
 * The catalogue for a wish as gettext reads it: LC_ALL, LC_MESSAGES or LANG names the locale, and
 * LANGUAGE a list that comes before it unless the locale is C, POSIX or none. "zh_CN" for
 * Simplified Chinese (zh, zh_CN, zh_SG, zh_Hans), NULL for English, which all others get: readers
 * of Traditional Chinese, too, unless their LANGUAGE goes on with zh_CN.
 */
const char *language_choose(const struct language_wish *wish);

/* True when the locale's name says that its characters are UTF-8: "zh_CN.UTF-8", "C.utf8", and
 * "UTF-8", which is what macOS sends as LC_CTYPE. */
bool language_is_utf8(const char *locale);

/* Sets LC_CTYPE and opens the catalogue that the environment asks for, if the terminal is UTF-8.
 * A locale that this server has not generated, as is usual, is none the worse. */
void language_start(void);

#endif
