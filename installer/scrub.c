/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/scrub.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define HIDDEN      "<hidden>"
#define KEY_LETTERS 32 /* letters and digits: shorter ones are no keys */
#define VALUE       512

/* --- Words ---------------------------------------------------------------------------------------
 */

/* What a key, a token or an address may be made of. */
static bool is_inner(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("+/=_-.@%~", c));
}

static bool is_hex_key(const char *word, size_t n)
{
    size_t run = 0;
    for (size_t i = 0; i < n; i++) {
        run = isxdigit((unsigned char)word[i]) ? run + 1 : 0;
        if (run == KEY_LETTERS)
            return true;
    }
    return false;
}

/* One part of a word between dots, and in paths between slashes: long, with digits and letters of
 * both cases, as chance makes them and people seldom do. */
static bool is_random(const char *part, size_t n)
{
    bool upper = false, lower = false, digit = false;
    for (size_t i = 0; i < n; i++) {
        upper |= isupper((unsigned char)part[i]) != 0;
        lower |= islower((unsigned char)part[i]) != 0;
        digit |= isdigit((unsigned char)part[i]) != 0;
    }
    return n >= KEY_LETTERS && upper && lower && digit;
}

static bool has_random_part(const char *word, size_t n)
{
    const char *ends = word[0] == '/' ? "./" : ".";
    size_t start = 0;
    for (size_t i = 0; i <= n; i++)
        if (i == n || strchr(ends, word[i])) {
            if (is_random(word + start, i - start))
                return true;
            start = i + 1;
        }
    return false;
}

static bool is_email(const char *word, size_t n)
{
    const char *at = memchr(word, '@', n);
    return at && at > word && memchr(at, '.', n - (size_t)(at - word));
}

static bool is_secret(const char *word, size_t n)
{
    return is_hex_key(word, n) || has_random_part(word, n) || is_email(word, n) ||
           (n > 6 && strncasecmp(word, "tskey-", 6) == 0);
}

/* --- Names whose values are secret ---------------------------------------------------------------
 */

/* The name at this place of a line whose value must not be shown; its length, or 0. */
static size_t secret_name(const char *at)
{
    static const char *const names[] = {"password", "passwd",  "token",   "secret",
                                        "api-key",  "api_key", "authkey", "authorization",
                                        "cookie",   "privkey", "hmac"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncasecmp(at, names[i], strlen(names[i])) == 0)
            return strlen(names[i]);
    return 0;
}

/* What comes between a name and its value: "= ", ": ", "\": \"" and the like; 0: it is no name. */
static size_t separator(const char *at)
{
    size_t n = strspn(at, "\"' \t");
    if (at[n] != '=' && at[n] != ':')
        return 0;
    return n + 1 + strspn(at + n + 1, "\"' \t");
}

/* --- A line --------------------------------------------------------------------------------------
 */

static bool put_char(char c, struct buf *out)
{
    if (((unsigned char)c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
        c = '?';
    return buf_append(out, &c, 1);
}

/* "://USER:PASSWORD@HOST/PATH?QUERY" at the "://": host and path stay. Returns what follows. */
static const char *put_url(const char *at, bool path, struct buf *out, bool *fine)
{
    const char *host = at + 3;
    size_t n = strcspn(host, "/?# \t\r\n\"'<>");
    const char *user = memrchr(host, '@', n);
    if (user) {
        n -= (size_t)(user + 1 - host);
        host = user + 1;
    }
    *fine &= buf_puts(out, "://");
    if (is_hex_key(host, n))
        *fine &= buf_puts(out, HIDDEN);
    for (size_t i = 0; i < n && !is_hex_key(host, n); i++)
        *fine &= put_char(host[i], out);
    const char *rest = host + n;
    size_t all = strcspn(rest, " \t\r\n\"'<>");
    size_t kept = path ? strcspn(rest, "?# \t\r\n\"'<>") : 0;
    if (kept > 0 && is_secret(rest, kept))
        kept = 0;
    for (size_t i = 0; i < kept; i++)
        *fine &= put_char(rest[i], out);
    if (all > kept && all > 1)
        *fine &= buf_puts(out, "/" HIDDEN);
    return rest + all;
}

/* A word, or a single character that belongs to none. */
static const char *put_word(const char *at, struct buf *out, bool *fine)
{
    size_t n = 0, name = secret_name(at);
    size_t gap = name ? separator(at + name) : 0;
    if (gap) {
        *fine &= buf_append(out, at, name + gap) && buf_puts(out, HIDDEN);
        at += name + gap;
        return at + strcspn(at, "\n");
    }
    while (is_inner(at[n]))
        n++;
    if (n == 0) {
        *fine &= put_char(*at, out);
        return at + 1;
    }
    /* A name may stand at the end of a longer one, such as mesh_password. */
    for (size_t i = 1; i < n; i++)
        if (secret_name(at + i) && separator(at + i + secret_name(at + i))) {
            *fine &= is_secret(at, i + 1) ? buf_puts(out, HIDDEN) : buf_append(out, at, i);
            return at + i;
        }
    *fine &= is_secret(at, n) ? buf_puts(out, HIDDEN) : buf_append(out, at, n);
    return at + n;
}

bool scrub(const char *text, struct buf *out)
{
    bool fine = true;
    while (*text && fine) {
        if (text_starts(text, "-----BEGIN ")) {
            const char *end = strstr(text, "-----END ");
            fine = buf_puts(out, HIDDEN);
            text = end ? end + strcspn(end, "\n") : text + strlen(text);
        } else if (text_starts(text, "://")) {
            text = put_url(text, true, out, &fine);
        } else {
            text = put_word(text, out, &fine);
        }
    }
    return fine;
}

/* --- The config ----------------------------------------------------------------------------------
 */

static bool is_harmless(const char *key)
{
    static const char *const keys[] = {"domain",
                                       "listen",
                                       "listen-proxy",
                                       "proxy-from",
                                       "stun",
                                       "http",
                                       "metrics",
                                       "workers",
                                       "accept-limit",
                                       "accept-burst",
                                       "uplink",
                                       "congestion",
                                       "home",
                                       "state-dir",
                                       "mesh-with",
                                       "source",
                                       "dir",
                                       "chain",
                                       "directory",
                                       "ca-file",
                                       "challenge",
                                       "profile",
                                       "profile-required",
                                       "root-hints",
                                       "trust-anchor",
                                       "resolver",
                                       "allow",
                                       "fail-open",
                                       "recheck",
                                       "refuse-apps",
                                       "preferred-chain",
                                       "dns-hook",
                                       "dns-wait",
                                       "hook",
                                       "fallback-directory",
                                       "staging-directory",
                                       "fallback-ca-file",
                                       "bootstrap-dns"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static bool put_value(const char *value, struct buf *out)
{
    bool fine = true;
    while (*value && fine)
        if (text_starts(value, "://"))
            value = put_url(value, false, out, &fine);
        else
            value = put_word(value, out, &fine);
    return fine;
}

static bool put_option(char *line, struct buf *out)
{
    char *trimmed = text_trim(line);
    if (*trimmed == '#' || *trimmed == ';' || *trimmed == '\0')
        return true;
    if (*trimmed == '[')
        return put_value(trimmed, out) && buf_puts(out, "\n");
    char *equals = strpbrk(trimmed, "=:");
    if (!equals)
        return buf_puts(out, HIDDEN "\n");
    *equals = '\0';
    char *key = text_trim(trimmed), *value = text_trim(equals + 1);
    if (!is_harmless(key))
        return put_value(key, out) && buf_puts(out, " = (left out)\n");
    return buf_puts(out, key) && buf_puts(out, " = ") && put_value(value, out) &&
           buf_puts(out, "\n");
}

bool scrub_config(const char *text, struct buf *out)
{
    bool fine = true;
    for (const char *at = text; *at && fine; at += *at == '\n') {
        char line[VALUE];
        size_t n = strcspn(at, "\n");
        if (n >= sizeof line)
            fine = buf_puts(out, HIDDEN "\n");
        else {
            memcpy(line, at, n);
            line[n] = '\0';
            fine = put_option(line, out);
        }
        at += n;
    }
    return fine;
}
