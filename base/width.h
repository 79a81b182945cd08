/* SPDX-License-Identifier: Apache-2.0 */
/* How many columns of a terminal a UTF-8 text takes. Pure; the same in every locale. */
#ifndef BASE_WIDTH_H
#define BASE_WIDTH_H

#include <stddef.h>
#include <stdint.h>

/*
 * The character at s (n bytes are there, n > 0): *bytes is its length. Broken UTF-8 is one byte,
 * U+FFFD.
 */
uint32_t width_character(const char *s, size_t n, size_t *bytes);

/* Columns of one character: 2 where East Asian Width (UAX 11) is W or F, 0 for marks that join the
 * one before, else 1. */
int width_of(uint32_t character);

/* Columns of n bytes. A character that n cuts in two counts as its first bytes do: one column. */
int width_columns(const char *text, size_t n);

#endif
