/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/header.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"

#define YEAR (366 * 24 * 3600)

/* --- Dates ------------------------------------------------------------------------------------ */

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Reads exactly n digits and moves on. */
static bool digits(const char **s, size_t n, int *value)
{
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        char c = (*s)[i];
        if (c < '0' || c > '9')
            return false;
        v = v * 10 + (c - '0');
    }
    *s += n;
    *value = v;
    return true;
}

static bool literal(const char **s, const char *text)
{
    if (!text_starts(*s, text))
        return false;
    *s += strlen(text);
    return true;
}

static bool month(const char **s, int *value)
{
    for (int i = 0; i < 12; i++) {
        if (strncmp(*s, months + (size_t)i * 3, 3) == 0) {
            *value = i;
            *s += 3;
            return true;
        }
    }
    return false;
}

static bool clock_time(const char **s, struct tm *tm)
{
    return digits(s, 2, &tm->tm_hour) && literal(s, ":") && digits(s, 2, &tm->tm_min) &&
           literal(s, ":") && digits(s, 2, &tm->tm_sec);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", after the comma. */
static bool imf_date(const char *s, struct tm *tm)
{
    return digits(&s, 2, &tm->tm_mday) && literal(&s, " ") && month(&s, &tm->tm_mon) &&
           literal(&s, " ") && digits(&s, 4, &tm->tm_year) && literal(&s, " ") &&
           clock_time(&s, tm) && strcmp(s, " GMT") == 0;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT", after the comma. */
static bool rfc850_date(const char *s, struct tm *tm)
{
    bool ok = digits(&s, 2, &tm->tm_mday) && literal(&s, "-") && month(&s, &tm->tm_mon) &&
              literal(&s, "-") && digits(&s, 2, &tm->tm_year) && literal(&s, " ") &&
              clock_time(&s, tm) && strcmp(s, " GMT") == 0;
    tm->tm_year += tm->tm_year < 70 ? 2000 : 1900;
    return ok;
}

/* "Sun Nov  6 08:49:37 1994", after the day's name. */
static bool asctime_date(const char *s, struct tm *tm)
{
    bool ok = month(&s, &tm->tm_mon) && literal(&s, " ");
    ok = ok && (literal(&s, " ") ? digits(&s, 1, &tm->tm_mday) : digits(&s, 2, &tm->tm_mday));
    return ok && literal(&s, " ") && clock_time(&s, tm) && literal(&s, " ") &&
           digits(&s, 4, &tm->tm_year) && *s == '\0';
}

bool header_date(const char *value, time_t *t)
{
    struct tm tm = {0};
    const char *comma = strchr(value, ',');
    bool ok;
    if (comma && comma[1] == ' ')
        ok = imf_date(comma + 2, &tm) || (tm = (struct tm){0}, rfc850_date(comma + 2, &tm));
    else
        ok = strlen(value) > 4 && value[3] == ' ' && asctime_date(value + 4, &tm);
    if (!ok || tm.tm_year < 1970 || tm.tm_year > 9999 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    tm.tm_year -= 1900;
    *t = timegm(&tm);
    return true;
}

bool header_retry_after(const char *value, time_t now, int64_t *seconds)
{
    uint64_t n;
    time_t date;
    size_t length = strlen(value);
    if (length > 0 && strspn(value, "0123456789") == length) {
        /* More digits than a number holds still means: very long. */
        *seconds = text_number(value, 0, YEAR, &n) ? (int64_t)n : YEAR;
        return true;
    }
    if (!header_date(value, &date))
        return false;
    *seconds = date <= now ? 0 : date - now > YEAR ? YEAR : date - now;
    return true;
}

/* --- Links ------------------------------------------------------------------------------------ */

static const char *skip_space(const char *s)
{
    return s + strspn(s, " \t");
}

/* True when the white-space separated words hold the wanted one, in any case. */
static bool has_word(const char *s, size_t n, const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i < n;) {
        size_t start = i;
        while (i < n && s[i] != ' ' && s[i] != '\t')
            i++;
        if (i - start == length && strncasecmp(s + start, word, length) == 0)
            return true;
        i++;
    }
    return false;
}

/* Reads one parameter's value (token or quoted string) at s; its bytes are value[0..n). */
static const char *parameter_value(const char *s, const char **value, size_t *n)
{
    if (*s != '"') {
        *value = s;
        *n = strcspn(s, ";, \t");
        return s + *n;
    }
    *value = ++s;
    while (*s && *s != '"')
        s += *s == '\\' && s[1] ? 2 : 1;
    *n = (size_t)(s - *value);
    return *s ? s + 1 : s;
}

/* Reads the parameters after a link's target; *match tells whether the first rel has the word. */
static const char *parameters(const char *s, const char *rel, bool *match)
{
    bool seen = false;
    *match = false;
    for (s = skip_space(s); *s == ';'; s = skip_space(s)) {
        s = skip_space(s + 1);
        size_t name = strcspn(s, "=;, \t");
        bool is_rel = name == 3 && strncasecmp(s, "rel", 3) == 0;
        const char *value = s;
        size_t n = 0;
        s = skip_space(s + name);
        if (*s == '=')
            s = parameter_value(skip_space(s + 1), &value, &n);
        if (is_rel && !seen) {
            seen = true;
            *match = has_word(value, n, rel);
        }
    }
    return s;
}

char *header_link(const char *value, const char *rel, size_t index)
{
    const char *s = value;
    while ((s = strchr(s, '<'))) {
        const char *target = s + 1;
        const char *end = strchr(target, '>');
        if (!end)
            return NULL;
        bool match;
        s = parameters(end + 1, rel, &match);
        if (match && index-- == 0) {
            char *copy = mem_alloc((size_t)(end - target) + 1, 1);
            return memcpy(copy, target, (size_t)(end - target));
        }
        /* On to the next link; text that fits nothing is passed over. */
        s += strcspn(s, ",");
    }
    return NULL;
}

/* --- Values taken over into requests ---------------------------------------------------------- */

bool header_is_url(const char *s)
{
    size_t n = strlen(s);
    if (!text_starts(s, "https://") || n <= strlen("https://") || n > 2000)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] <= ' ' || s[i] > '~' || strchr("\"\\<>`{}|^", s[i]))
            return false;
    }
    return true;
}

bool header_is_nonce(const char *s)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t n = strlen(s);
    return n > 0 && n < 256 && strspn(s, alphabet) == n;
}
