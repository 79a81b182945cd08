/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "acme/classify.h"
#include "base/log.h"

static const char *const names[FAILURE_CLASSES] = {
    [FAILURE_NONE] = "none",
    [FAILURE_NETWORK] = "network",
    [FAILURE_OVERLOAD] = "overload",
    [FAILURE_RATE_LIMIT] = "rate-limit",
    [FAILURE_PAUSED] = "paused",
    [FAILURE_TERMS] = "terms",
    [FAILURE_REACHABILITY] = "reachability",
    [FAILURE_PREFLIGHT] = "preflight",
    [FAILURE_CONFIGURATION] = "configuration",
    [FAILURE_PROTOCOL] = "protocol",
    [FAILURE_LOCAL] = "local",
    [FAILURE_CLOCK] = "clock",
};

/* Bytes of a UTF-8 character of more than one byte, 0: it is none (RFC 3629, roughly). */
static size_t character(const unsigned char *s)
{
    size_t n = s[0] >= 0xf0 && s[0] < 0xf5   ? 4
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
               : s[0] >= 0xc2                ? 2
                                             : 0;
    if (s[0] >= 0xf5)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

/* The text goes to terminals, hooks and the state, and a parser's complaint may quote what the CA
 * has sent: no control characters, and no half ones where it was cut. */
static void tame(char *text)
{
    unsigned char *s = (unsigned char *)text;
    while (*s) {
        size_t n = *s < 0x80 ? 1 : character(s);
        if (n == 0 || *s < ' ' || *s == 0x7f)
            *s = '?';
        s += n ? n : 1;
    }
}

bool failure_set(struct failure *f, enum failure_class class, const char *format, ...)
{
    /* Through a copy: the arguments may be this failure's own text. */
    char text[sizeof f->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tame(text);

    *f = (struct failure){.class = class};
    memcpy(f->text, text, sizeof text);
    return false;
}

bool failure_is(const struct failure *f, const char *type)
{
    return strcmp(classify_short(f->type), type) == 0;
}

void failure_log(const struct failure *f, const char *prefix)
{
    /* The log cuts at about 900 bytes; an unpause link of the CA is longer than that. */
    const size_t chunk = 700;
    size_t n = strlen(f->text);
    log_error("%s: %.*s", prefix, (int)chunk, f->text);
    for (size_t at = chunk; at < n; at += chunk)
        log_error("  …%.*s", (int)chunk, f->text + at);
}

const char *failure_name(enum failure_class class)
{
    return class < FAILURE_CLASSES ? names[class] : "unknown";
}

enum failure_class failure_named(const char *name)
{
    for (size_t i = 0; i < FAILURE_CLASSES; i++) {
        if (strcmp(names[i], name) == 0)
            return (enum failure_class)i;
    }
    return FAILURE_CLASSES;
}
