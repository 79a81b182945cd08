/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/trace.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"

#define REPLY "reply from <"

/* True when domain is zone or lies below it; "" is the root. Both without a trailing dot. */
static bool is_within(const char *domain, const char *zone)
{
    size_t d = strlen(domain), z = strlen(zone);
    if (z == 0)
        return true;
    if (d < z || strcmp(domain + d - z, zone) != 0)
        return false;
    return d == z || domain[d - z - 1] == '.';
}

static void take(const char *p, size_t n, char *out, size_t cap)
{
    if (n >= cap)
        n = cap - 1;
    memcpy(out, p, n);
    out[n] = '\0';
}

/* "reply from <zone.> address#port" */
static void see_reply(const char *line, size_t len, const char *domain, struct trace *out)
{
    const char *zone = memmem(line, len, REPLY, strlen(REPLY));
    if (!zone)
        return;
    zone += strlen(REPLY);
    const char *end = memchr(zone, '>', len - (size_t)(zone - line));
    if (!end)
        return;

    char raw[DNSCHECK_NAME_MAX], name[DNSCHECK_NAME_MAX], server[sizeof out->server];
    take(zone, (size_t)(end - zone), raw, sizeof raw);
    text_lower(raw, name, sizeof name);
    const char *at = end + 1, *stop = line + len;
    while (at < stop && *at == ' ')
        at++;
    const char *hash = memchr(at, '#', (size_t)(stop - at));
    take(at, (size_t)((hash ? hash : stop) - at), server, sizeof server);

    out->replies++;
    if (!is_within(domain, name) || strlen(name) < strlen(out->zone))
        return;
    memcpy(out->zone, name, sizeof name);
    memcpy(out->server, server, sizeof server);
}

/* "[time] libunbound[1:0] error: text" */
static void see_error(const char *line, size_t len, struct trace *out)
{
    static const char *const levels[] = {"] error: ", "] fatal error: "};
    for (size_t i = 0; out->error[0] == '\0' && i < sizeof levels / sizeof *levels; i++) {
        const char *p = memmem(line, len, levels[i], strlen(levels[i]));
        if (!p)
            continue;
        p += strlen(levels[i]);
        text_printable(p, len - (size_t)(p - line), out->error, sizeof out->error);
    }
}

void trace_read(const char *log, const char *domain, struct trace *out)
{
    char name[DNSCHECK_NAME_MAX];
    *out = (struct trace){0};
    text_lower(domain, name, sizeof name);
    while (*log) {
        size_t len = strcspn(log, "\n");
        see_reply(log, len, name, out);
        see_error(log, len, out);
        log += len + (log[len] == '\n');
    }
}
