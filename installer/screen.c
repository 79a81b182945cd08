/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/screen.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/translate.h"
#include "installer/wrap.h"

#define LABEL 12 /* columns */

/* A label, both in the reader's language, and its column. */
static void put_label(struct buf *out, const char *label)
{
    char *shown = translate_text(label);
    int pad = LABEL - wrap_columns(shown, strlen(shown));
    buf_printf(out, "%s%*s ", shown, pad > 0 ? pad : 0, "");
    free(shown);
}

/* The line that ends here, cut to width columns. */
static void end_line(struct buf *out, size_t from, int width)
{
    const char *line = buf_text(out) + from;
    size_t n = wrap_fit(line, width);
    out->len = from + n;
    buf_puts(out, "\n");
}

__attribute__((format(printf, 4, 5))) static void put(struct buf *out, int width, const char *label,
                                                      const char *format, ...)
{
    size_t from = out->len;
    va_list args;
    va_start(args, format);
    char *shown = translate_format(format, args);
    if (!shown)
        shown = mem_vprintf(format, args);
    va_end(args);
    if (*label)
        put_label(out, label);
    buf_puts(out, shown);
    end_line(out, from, width);
    free(shown);
}

/* Per second between two readings of a counter; -1: it cannot be told, as the relay was started
 * in between or there is only one. */
static double rate(int64_t now, int64_t before, int64_t ms)
{
    return ms > 0 && now >= before ? (double)(now - before) * 1000 / (double)ms : -1;
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
    double packets = rate(r->relayed, b->relayed, ms);
    double drops = rate(r->dropped, b->dropped, ms);
    double stun = rate(r->stun, b->stun, ms);
    put(out, width, "connections", "%" PRId64 ", %" PRId64 " of them logged in", r->open,
        r->clients);
    if (bytes < 0 || packets < 0 || drops < 0 || stun < 0) {
        put(out, width, "relayed", "%.1f MB since its start", (double)r->bytes / 1e6);
        put(out, width, "packets", "%" PRId64 " sent on since its start", r->relayed);
        put(out, width, "drops", "%" PRId64 " dropped since its start", r->dropped);
        put(out, width, "STUN", "%" PRId64 " answers since its start", r->stun);
        return;
    }
    put(out, width, "relayed", "%.2f Mbit/s, %.1f MB since its start", bytes * 8 / 1e6,
        (double)r->bytes / 1e6);
    put(out, width, "packets", "%.0f a second, %" PRId64 " sent on since its start", packets,
        r->relayed);
    put(out, width, "drops", "%.0f a second, %" PRId64 " dropped since its start", drops,
        r->dropped);
    put(out, width, "STUN", "%.0f a second, %" PRId64 " answers since its start", stun, r->stun);
}

void screen_print(const struct screen *now, const struct screen *before, int width, struct buf *out)
{
    const struct relaystatus *r = &now->relay;
    put(out, width, "", "%s", now->domain);
    put(out, width, "", "%s", "");
    if (!now->runs)
        put(out, width, "relay", "does NOT run: journalctl -u derpd");
    else if (!now->known)
        put(out, width, "relay", "runs, but tells nothing: %s", now->reason);
    else
        put(out, width, "relay", "derpd %s, up %" PRId64 " h %02" PRId64 " min", r->version,
            r->uptime / 3600, r->uptime / 60 % 60);
    if (now->runs && now->known)
        put_relay(now, before, width, out);
    put(out, width, "certificate", "%s", now->certificate);
    if (*now->renewal)
        put(out, width, "renewal", "%s", now->renewal);
}
