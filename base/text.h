/* SPDX-License-Identifier: Apache-2.0 */
/* Strict parsing and safe rendering of small texts. No function here touches the system. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A decimal number in [min, max]: digits only, no sign, no white space, nothing after it. */
bool text_number(const char *s, uint64_t min, uint64_t max, uint64_t *value);

/* "90s", "10m", "2h" or "0": a duration in seconds, at most max. */
bool text_duration(const char *s, uint64_t max, uint64_t *seconds);

/* "4mbit", "512kbit", "1gbit" (decimal multiples; case-insensitive): bits per second, > 0. */
bool text_rate(const char *s, uint64_t *bits_per_second);

/* Exactly n bytes from 2 n hex digits of either case; false on anything else. Constant-time. */
bool text_unhex(const char *s, uint8_t *bytes, size_t n);

/* 2 n lower-case digits and a terminator into text (2 n + 1 bytes). Constant-time. */
void text_hex(const uint8_t *bytes, size_t n, char *text);

/* base64url without padding (RFC 4648 5). Encoding returns a string to free(). */
char *text_base64url(const void *bytes, size_t n);
/* Decodes into bytes (capacity cap); false on a wrong alphabet, padding or lack of room. */
bool text_unbase64url(const char *s, uint8_t *bytes, size_t cap, size_t *n);

/* Removes leading and trailing white space in place; returns s' first kept byte. */
char *text_trim(char *s);

/*
 * A host name a public CA could certify (RFC 1123, RFC 5890 A-labels): at least two labels
 * of 1..63 letters, digits and inner hyphens, 253 bytes at most, last label not all digits.
 * One trailing dot is allowed. On failure *why (if given) says what is wrong, in words.
 */
bool text_is_hostname(const char *s, const char **why);

/* Copies s to out (cap bytes, always terminated), lower-cased, without a trailing dot. */
void text_lower(const char *s, char *out, size_t cap);

/* Copies n bytes of remote text to out for logs and terminals: bytes outside printable ASCII
 * become \xNN, and the result is cut to cap. */
void text_printable(const void *s, size_t n, char *out, size_t cap);

/* True when s begins with / ends with the other string. */
bool text_starts(const char *s, const char *prefix);
bool text_ends(const char *s, const char *suffix);

/* True when both are NULL, or the same text. */
bool text_same(const char *a, const char *b);

#endif
