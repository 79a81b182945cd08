/* SPDX-License-Identifier: Apache-2.0 */
/* The list of connections as JSON. Written by hand: it may have very many lines. */
#include <inttypes.h>

#include "derp/ops/report.h"

void report_connections_begin(struct buf *out)
{
    buf_puts(out, "{\"schema\":1,\"connections\":[");
}

/* Printable ASCII as a JSON string. */
static void print_string(const char *s, struct buf *out)
{
    buf_puts(out, "\"");
    for (; *s != '\0'; s++)
        buf_printf(out, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    buf_puts(out, "\"");
}

static void print_flag(const char *name, bool value, struct buf *out)
{
    buf_printf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

void report_connection(const struct relay_client *c, size_t number, struct buf *out)
{
    char address[ENDPOINT_TEXT];

    buf_printf(out, "%s\n{\"key\":\"%s\",\"address\":\"%s\",\"app\":", number > 0 ? "," : "",
               c->key, endpoint_print(&c->peer, address));
    print_string(c->app, out);
    buf_printf(out,
               ",\"seconds\":%" PRId64 ",\"receivedBytes\":%" PRIu64 ",\"sentBytes\":%" PRIu64
               ",\"droppedPackets\":%" PRIu64 ",\"waitingBytes\":%" PRIu64,
               c->seconds, c->bytes_in, c->bytes_out, c->dropped, c->waiting);
    print_flag("home", c->is_home, out);
    print_flag("mesh", c->is_mesh, out);
    print_flag("prober", c->is_prober, out);
    print_flag("webSocket", c->is_websocket, out);
    print_flag("notIdeal", c->not_ideal, out);
    print_flag("duplicate", c->is_duplicate, out);
    buf_puts(out, "}");
}

void report_connections_end(struct buf *out)
{
    buf_puts(out, "\n]}\n");
}
