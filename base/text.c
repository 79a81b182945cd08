/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/translate.h"

/* --- ASCII only: the C library's ctype follows the locale ------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* --- Numbers -----------------------------------------------------------------------------------
 */

/* Reads digits up to end (which need not be a terminator). */
static bool number_until(const char *s, const char *end, uint64_t max, uint64_t *value)
{
    uint64_t v = 0;
    if (s == end)
        return false;
    for (; s < end; s++) {
        if (!is_digit(*s) || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
            return false;
    }
    if (v > max)
        return false;
    *value = v;
    return true;
}

bool text_number(const char *s, uint64_t min, uint64_t max, uint64_t *value)
{
    uint64_t v;
    if (!number_until(s, s + strlen(s), max, &v) || v < min)
        return false;
    *value = v;
    return true;
}

bool text_duration(const char *s, uint64_t max, uint64_t *seconds)
{
    if (strcmp(s, "0") == 0) {
        *seconds = 0;
        return true;
    }
    size_t n = strlen(s);
    if (n < 2)
        return false;

    uint64_t unit;
    switch (s[n - 1]) {
    case 's':
        unit = 1;
        break;
    case 'm':
        unit = 60;
        break;
    case 'h':
        unit = 3600;
        break;
    default:
        return false;
    }
    uint64_t v;
    if (!number_until(s, s + n - 1, max / unit, &v))
        return false;
    *seconds = v * unit;
    return true;
}

bool text_rate(const char *s, uint64_t *bits_per_second)
{
    static const struct {
        const char *name;
        uint64_t bits;
    } units[] = {{"kbit", 1000}, {"mbit", 1000000}, {"gbit", 1000000000}};

    size_t n = strlen(s);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t length = strlen(units[i].name);
        if (n <= length || strcasecmp(s + n - length, units[i].name) != 0)
            continue;
        uint64_t v;
        if (!number_until(s, s + n - length, UINT64_MAX / units[i].bits, &v) || v == 0)
            return false;
        *bits_per_second = v * units[i].bits;
        return true;
    }
    return false;
}

/* --- Bytes -------------------------------------------------------------------------------------
 */

bool text_unhex(const char *s, uint8_t *bytes, size_t n)
{
    size_t got;
    return strlen(s) == 2 * n && sodium_hex2bin(bytes, n, s, 2 * n, NULL, &got, NULL) == 0 &&
           got == n;
}

void text_hex(const uint8_t *bytes, size_t n, char *text)
{
    sodium_bin2hex(text, 2 * n + 1, bytes, n);
}

char *text_base64url(const void *bytes, size_t n)
{
    int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    size_t cap = sodium_base64_encoded_len(n, variant);
    char *s = mem_alloc(cap, 1);
    return sodium_bin2base64(s, cap, bytes, n, variant);
}

bool text_unbase64url(const char *s, uint8_t *bytes, size_t cap, size_t *n)
{
    /* libsodium 1.0.18 takes some bytes above 0x7f for digits where char is signed. */
    for (const char *p = s; *p; p++) {
        if (!is_letter(*p) && !is_digit(*p) && *p != '-' && *p != '_')
            return false;
    }
    return sodium_base642bin(bytes, cap, s, strlen(s), NULL, n, NULL,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0;
}

/* --- Text --------------------------------------------------------------------------------------
 */

char *text_trim(char *s)
{
    while (is_space(*s))
        s++;
    size_t n = strlen(s);
    while (n > 0 && is_space(s[n - 1]))
        n--;
    s[n] = '\0';
    return s;
}

/* What is wrong with one label, or NULL. */
static const char *label_fault(const char *label, size_t n)
{
    if (n == 0)
        return N_("it has an empty label (two dots in a row, or one at the start)");
    if (n > 63)
        return N_("a label is longer than 63 characters");
    if (label[0] == '-' || label[n - 1] == '-')
        return N_("a label begins or ends with a hyphen");
    for (size_t i = 0; i < n; i++) {
        if (label[i] == '_')
            return N_("a host name has no underscore");
        if (label[i] == '*')
            return N_("a wildcard is not a host name");
        if ((unsigned char)label[i] >= 0x80)
            return N_("it has characters outside ASCII; write it in its xn-- form");
        if (!is_letter(label[i]) && !is_digit(label[i]) && label[i] != '-')
            return N_("only letters, digits, hyphens and dots are allowed");
    }
    return NULL;
}

static bool all_digits(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(s[i]))
            return false;
    }
    return true;
}

static const char *hostname_fault(const char *s)
{
    size_t n = strlen(s);
    if (n > 0 && s[n - 1] == '.')
        n--;
    if (n == 0)
        return N_("it is empty");
    if (n > 253)
        return N_("it is longer than 253 characters");

    size_t labels = 0;
    for (size_t start = 0; start <= n; labels++) {
        const char *dot = memchr(s + start, '.', n - start);
        size_t length = dot ? (size_t)(dot - s) - start : n - start;
        const char *why = label_fault(s + start, length);
        if (why)
            return why;
        if (!dot && all_digits(s + start, length))
            return N_("it ends in a number, so it is an address and no name");
        start += length + 1;
    }
    return labels < 2 ? N_("it has one label only; a public name has at least two") : NULL;
}

bool text_is_hostname(const char *s, const char **why)
{
    const char *fault = hostname_fault(s);
    if (fault && why)
        *why = fault;
    return fault == NULL;
}

void text_lower(const char *s, char *out, size_t cap)
{
    if (cap == 0)
        return;
    size_t n = strlen(s);
    if (n > 0 && s[n - 1] == '.')
        n--;
    if (n >= cap)
        n = cap - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] + ('a' - 'A')) : s[i];
    out[n] = '\0';
}

void text_printable(const void *s, size_t n, char *out, size_t cap)
{
    const unsigned char *p = s;
    size_t len = 0;
    if (cap == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        bool plain = p[i] >= 0x20 && p[i] < 0x7f;
        if (len + (plain ? 1 : 4) >= cap)
            break;
        if (plain)
            out[len++] = (char)p[i];
        else
            len += (size_t)snprintf(out + len, 5, "\\x%02x", p[i]);
    }
    out[len] = '\0';
}

bool text_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s);
    size_t m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool text_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}
