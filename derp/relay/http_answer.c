/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/http_answer.h"

#include <string.h>

#include "base/text.h"
#include "derp/wire/websocket.h"

#define CHALLENGE_MAX 64

static const char home_page[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>DERP relay</title>\n"
    "<h1>DERP relay</h1>\n"
    "<p>This server passes on encrypted packets between Tailscale clients that cannot reach each\n"
    "other directly. It cannot read them. There is nothing to see here in a browser.</p>\n"
    "</html>\n";

/* One answer being written. */
struct answer {
    struct buf *out;
    bool keep;    /* the connection stays open */
    bool is_head; /* HEAD: no body */
    int minor;
};

static void respond(const struct answer *a, const char *status, const char *headers,
                    const char *type, const char *body)
{
    buf_printf(a->out, "HTTP/1.1 %s\r\n%s", status, headers);
    if (type != NULL)
        buf_printf(a->out, "Content-Type: %s\r\n", type);
    if (strncmp(status, "204", 3) != 0)
        buf_printf(a->out, "Content-Length: %zu\r\n", strlen(body));
    if (!a->keep)
        buf_puts(a->out, "Connection: close\r\n");
    else if (a->minor == 0)
        buf_puts(a->out, "Connection: keep-alive\r\n");
    buf_puts(a->out, "\r\n");
    if (!a->is_head)
        buf_puts(a->out, body);
}

static bool is_get(const struct http_request *r)
{
    return (r->method.n == 3 && memcmp(r->method.p, "GET", 3) == 0) ||
           (r->method.n == 4 && memcmp(r->method.p, "HEAD", 4) == 0);
}

/* Old clients say "WebSocket" without the subprotocol and mean DERP. */
static bool wants_derp(const struct http_request *r)
{
    struct http_span upgrade = http_header(r, "Upgrade");

    if (upgrade.p == NULL)
        return false;
    if (http_span_is(upgrade, "derp"))
        return true;
    return http_span_is(upgrade, "websocket") &&
           !http_span_has_token(http_header(r, "Sec-WebSocket-Protocol"), "derp");
}

static enum http_action answer_derp(const struct http_request *r, const struct http_site *site,
                                    const struct answer *a)
{
    char key[2 * KEY_LEN + 1], accept[WEBSOCKET_ACCEPT_LEN];

    if (websocket_is_request(r)) {
        websocket_accept(r, accept);
        buf_printf(a->out,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
                   "Sec-WebSocket-Protocol: derp\r\n\r\n",
                   accept);
        return HTTP_ACTION_WEBSOCKET;
    }
    if (!wants_derp(r)) {
        respond(a, "426 Upgrade Required", "Upgrade: DERP\r\n", "text/plain; charset=utf-8",
                "DERP requires connection upgrade\n");
        return a->keep ? HTTP_ACTION_KEEP : HTTP_ACTION_CLOSE;
    }
    if (http_span_is(http_header(r, "Derp-Fast-Start"), "1"))
        return HTTP_ACTION_DERP;
    text_hex(site->server_key.bytes, KEY_LEN, key);
    buf_printf(a->out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n"
               "Derp-Version: 2\r\nDerp-Public-Key: %s\r\n\r\n",
               key);
    return HTTP_ACTION_DERP;
}

/* The challenge is echoed into a header: only derper's alphabet passes. */
static bool challenge_ok(struct http_span c)
{
    static const char alphabet[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:";

    if (c.p == NULL || c.n == 0 || c.n > CHALLENGE_MAX)
        return false;
    for (size_t i = 0; i < c.n; i++)
        if (c.p[i] == '\0' || strchr(alphabet, c.p[i]) == NULL)
            return false;
    return true;
}

static void answer_no_content(const struct http_request *r, const struct answer *a)
{
    struct http_span c = http_header(r, "X-Tailscale-Challenge");
    struct buf headers;

    buf_init(&headers, 512);
    buf_puts(&headers, "Cache-Control: no-cache, no-store, must-revalidate, no-transform, "
                       "max-age=0\r\n");
    if (challenge_ok(c))
        buf_printf(&headers, "X-Tailscale-Response: response %.*s\r\n", (int)c.n, c.p);
    respond(a, "204 No Content", buf_text(&headers), NULL, "");
    buf_free(&headers);
}

static void answer_probe(const struct http_request *r, const struct answer *a)
{
    if (is_get(r))
        respond(a, "200 OK", "Access-Control-Allow-Origin: *\r\n", NULL, "");
    else
        respond(a, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", "text/plain; charset=utf-8",
                "bogus probe method\n");
}

/* Port 80 has no pages of its own: what is not the captive-portal check goes to https. */
static void answer_redirect(const struct http_request *r, const struct http_site *site,
                            const struct answer *a)
{
    struct buf headers;

    if (!is_get(r) || site->domain == NULL) {
        respond(a, "400 Bad Request", "", "text/plain; charset=utf-8", "Use HTTPS\n");
        return;
    }
    buf_init(&headers, HTTP_HEAD_MAX + 512);
    buf_printf(&headers, "Location: https://%s%.*s\r\n", site->domain, (int)r->path.n, r->path.p);
    respond(a, "302 Found", buf_text(&headers), NULL, "");
    buf_free(&headers);
}

static void answer_page(const struct http_request *r, const struct answer *a)
{
    if (http_path_is(r, "/robots.txt"))
        respond(a, "200 OK", "", "text/plain; charset=utf-8", "User-agent: *\nDisallow: /\n");
    else if (http_path_is(r, "/bootstrap-dns"))
        respond(a, "200 OK", "", "application/json", "{}\n");
    else
        respond(a, "200 OK", "", "text/html; charset=utf-8", home_page);
}

static bool may_keep(const struct http_request *r)
{
    struct http_span c = http_header(r, "Connection");
    uint64_t body;

    /* A body would have to be read over; no client of a relay sends one. */
    if (!http_body_length(r, &body) || body > 0)
        return false;
    return r->minor == 1 ? !http_span_has_token(c, "close") : http_span_has_token(c, "keep-alive");
}

enum http_action http_answer(const struct http_request *r, const struct http_site *site,
                             struct buf *out)
{
    struct answer a = {.out = out,
                       .keep = may_keep(r),
                       .is_head = http_span_is(r->method, "HEAD"),
                       .minor = r->minor};

    if (http_span_is(r->method, "CONNECT"))
        respond(&a, "403 Forbidden", "", "text/plain; charset=utf-8", "no proxy\n");
    else if (http_path_is(r, "/generate_204"))
        answer_no_content(r, &a);
    else if (site->is_plain)
        answer_redirect(r, site, &a);
    else if (http_path_is(r, "/derp"))
        return answer_derp(r, site, &a);
    else if (http_path_is(r, "/derp/probe") || http_path_is(r, "/derp/latency-check"))
        answer_probe(r, &a);
    else
        answer_page(r, &a);
    return a.keep ? HTTP_ACTION_KEEP : HTTP_ACTION_CLOSE;
}

/* Tailscale's clients always ask for the upgrade; a proxy that is not told of it drops it. */
static bool upgrade_was_lost(const struct http_request *r)
{
    return http_header(r, "Upgrade").p == NULL &&
           (http_header(r, "Derp-Fast-Start").p != NULL || http_header(r, "Ideal-Node").p != NULL ||
            http_span_is(http_header(r, "User-Agent"), "Go-http-client/1.1"));
}

bool http_was_proxied(const struct http_request *r)
{
    static const char *const marks[] = {"Via", "Forwarded", "X-Forwarded-For", "X-Real-IP"};

    if (!http_path_is(r, "/derp"))
        return false;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (http_header(r, marks[i]).p != NULL)
            return true;
    return upgrade_was_lost(r);
}

void http_answer_bad(enum http_result why, struct buf *out)
{
    struct answer a = {.out = out, .minor = 1};

    respond(&a,
            why == HTTP_TOO_LARGE ? "431 Request Header Fields Too Large"
            : why == HTTP_VERSION ? "505 HTTP Version Not Supported"
                                  : "400 Bad Request",
            "", NULL, "");
}
