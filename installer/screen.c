/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/screen.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "installer/wrap.h"

#define LINE 400

__attribute__((format(printf, 3, 4))) static void put(struct buf *out, int width,
                                                      const char *format, ...)
{
    char line[LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    size_t n = strlen(line);
    while (n > 0 && (wrap_columns(line, n) > width || ((unsigned char)line[n] & 0xc0) == 0x80))
        n--;
    buf_append(out, line, n);
    buf_puts(out, "\n");
}

/* Per second between two readings of a counter; -1: it cannot be told, as the relay was started
 * in between or there is only one. */
static double rate(int64_t now, int64_t before, int64_t ms)
{
    return ms > 0 && now >= before ? (double)(now - before) * 1000 / (double)ms : -1;
}

static void put_rate(struct buf *out, int width, const char *label, double each_second, int64_t all,
                     const char *what)
{
    if (each_second < 0)
        put(out, width, "%-12s %" PRId64 " %s since its start", label, all, what);
    else
        put(out, width, "%-12s %.0f a second, %" PRId64 " %s since its start", label, each_second,
            all, what);
}

static void put_relay(const struct screen *now, const struct screen *before, int width,
                      struct buf *out)
{
    static const struct relaystatus none;
    const struct relaystatus *r = &now->relay;
    bool two = before && before->known && before->relay.uptime <= r->uptime;
    const struct relaystatus *b = two ? &before->relay : &none;
    int64_t ms = two ? now->at_ms - before->at_ms : 0;
    double bytes = rate(r->bytes, b->bytes, ms);
    put(out, width, "%-12s %" PRId64 ", %" PRId64 " of them logged in", "connections", r->open,
        r->clients);
    if (bytes < 0)
        put(out, width, "%-12s %.1f MB since its start", "relayed", (double)r->bytes / 1e6);
    else
        put(out, width, "%-12s %.2f Mbit/s, %.1f MB since its start", "relayed", bytes * 8 / 1e6,
            (double)r->bytes / 1e6);
    put_rate(out, width, "packets", rate(r->relayed, b->relayed, ms), r->relayed, "sent on");
    put_rate(out, width, "drops", rate(r->dropped, b->dropped, ms), r->dropped, "dropped");
    put_rate(out, width, "STUN", rate(r->stun, b->stun, ms), r->stun, "answers");
}

void screen_print(const struct screen *now, const struct screen *before, int width, struct buf *out)
{
    const struct relaystatus *r = &now->relay;
    put(out, width, "%s", now->domain);
    put(out, width, "%s", "");
    if (!now->runs)
        put(out, width, "%-12s does NOT run: journalctl -u derpd", "relay");
    else if (!now->known)
        put(out, width, "%-12s runs, but tells nothing: %s", "relay", now->reason);
    else
        put(out, width, "%-12s derpd %s, up %" PRId64 " h %02" PRId64 " min", "relay", r->version,
            r->uptime / 3600, r->uptime / 60 % 60);
    if (now->runs && now->known)
        put_relay(now, before, width, out);
    put(out, width, "%-12s %s", "certificate", now->certificate);
    if (*now->renewal)
        put(out, width, "%-12s %s", "renewal", now->renewal);
}
