/* SPDX-License-Identifier: Apache-2.0 */
/* Breaking text into lines of a terminal. Pure. */
#ifndef INSTALLER_WRAP_H
#define INSTALLER_WRAP_H

#include <stdio.h>

/*
 * Writes text to out, broken at spaces, and between wide characters (Chinese has no spaces), so
 * that no line is wider than width columns (0: never broken). The first line starts at column used,
 * and is left empty from there when nothing fits and more fits on the next; further lines are
 * indented by indent. Words longer than a line are not broken: commands and URLs must stay whole.
 * Ends with a newline.
 */
void wrap_print(FILE *out, const char *text, int width, int used, int indent);

/*
 * Copies a line of another program to out (cap bytes, cut at a character): well-formed UTF-8 stays,
 * control characters and broken bytes become \xNN, so that nothing can steer the terminal.
 */
void wrap_clean(const char *line, char *out, size_t cap);

/* Columns that n bytes of UTF-8 take (base/width.h). */
int wrap_columns(const char *text, size_t n);

/* As many bytes of text as fit into columns, never half a character. */
size_t wrap_fit(const char *text, int columns);

#endif
