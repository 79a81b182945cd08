/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of derp-setup in the reader's language.
 *
 * Everything is written, passed on and kept in English: findings as JSON, the log and the journal
 * are for scripts, too. What people see on the terminal is translated where it is shown, by the
 * functions that take a format (finding_add, report_line, fault_set, ...): they fill the English
 * format, and its translation with the same arguments. An argument of %s that is itself a text of
 * the catalogue, or was made by fault_set or by a function below, is translated as well; so a
 * sentence can be put together from parts. One word alone may be a name: it is looked up with the
 * format as its context. An argument with a precision ("%.40s") stays as it is.
 *
 * The catalogue is a GNU .mo file (base/catalogue.h) of our own. libc's gettext would need a
 * generated locale, which servers seldom have. Before translate_open, and in the two services,
 * everything stays English and costs nothing.
 */
#ifndef BASE_TRANSLATE_H
#define BASE_TRANSLATE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Marks a text for the catalogue that is shown elsewhere: a word in a table, a constant. */
#define N_(text) text

/*
 * Reads the catalogue of a language ("zh_CN") below folder, as
 * LANGUAGE/LC_MESSAGES/derp-relay.mo. False, and English, when there is none that can be read.
 */
bool translate_open(const char *folder, const char *language);

/* Back to English; all memory is given back. */
void translate_close(void);

/* The translation of a whole text; without one the text itself. free() it. */
char *translate_text(const char *text);

/*
 * A format filled with its arguments, in the reader's language; NULL when that is English or the
 * translation does not fit the arguments. free() it. args is left as it was.
 */
char *translate_format(const char *format, va_list args);

/* Remembers what an English text is in the reader's language, for when it becomes an argument. The
 * last few hundred are kept. shown NULL: nothing to remember. Not for words that could be names. */
void translate_learn(const char *english, const char *shown);

/*
 * Parts of sentences: English into text (cap bytes, terminated, cut when longer), and remembered in
 * the reader's language. translate_append writes behind what text holds.
 */
void translate_print(char *text, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void translate_append(char *text, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same on the heap (free() it), and at the end of a buffer. */
char *translate_new(const char *format, ...) __attribute__((format(printf, 1, 2)));
void translate_buf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
