/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/http_answer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "derp/wire/websocket.h"

#define CHALLENGE_MAX 64

static const char home_page[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>DERP relay</title>\n"
    "<h1>DERP relay</h1>\n"
    "<p>This server passes on encrypted packets between Tailscale clients that cannot reach each\n"
    "other directly. It cannot read them. There is nothing to see here in a browser.</p>\n"
    "</html>\n";

/* For pages that people look at in a browser, as derper has them. But their host may have
 * sub-domains that are none of ours, so those are not bound to HTTPS. */
#define BROWSER_HEADERS                                                                            \
    "Strict-Transport-Security: max-age=63072000\r\nX-Frame-Options: DENY\r\n"                     \
    "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: "
#define OUR_POLICY                                                                                 \
    "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'self'; "            \
    "block-all-mixed-content; object-src 'none'\r\n"
#define OWN_POLICY "frame-ancestors 'none'\r\n"
#define TEXT       "text/plain; charset=utf-8"
#define HTML       "text/html; charset=utf-8"

/* One answer being written. */
struct answer {
    struct buf *out;
    bool keep;    /* the connection stays open */
    bool is_head; /* HEAD: no body */
    int minor;
    time_t now;
};

/* RFC 9110 5.6.7, whatever the locale. */
static void put_date(struct buf *out, time_t now)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm t;

    if (gmtime_r(&now, &t) != NULL)
        buf_printf(out, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n", days + 3 * t.tm_wday,
                   t.tm_mday, months + 3 * t.tm_mon, t.tm_year + 1900, t.tm_hour, t.tm_min,
                   t.tm_sec);
}

static void respond_bytes(const struct answer *a, const char *status, const char *headers,
                          const char *type, const void *body, size_t n)
{
    buf_printf(a->out, "HTTP/1.1 %s\r\n%s", status, headers);
    put_date(a->out, a->now);
    if (type != NULL)
        buf_printf(a->out, "Content-Type: %s\r\n", type);
    if (strncmp(status, "204", 3) != 0 && !(a->is_head && n == 0))
        buf_printf(a->out, "Content-Length: %zu\r\n", n);
    if (!a->keep)
        buf_puts(a->out, "Connection: close\r\n");
    else if (a->minor == 0)
        buf_puts(a->out, "Connection: keep-alive\r\n");
    buf_puts(a->out, "\r\n");
    if (!a->is_head && n > 0)
        buf_append(a->out, body, n);
}

static void respond(const struct answer *a, const char *status, const char *headers,
                    const char *type, const char *body)
{
    respond_bytes(a, status, headers, type, body, strlen(body));
}

/* An error, in words for whoever looks. */
static void refuse(const struct answer *a, const char *status, const char *headers,
                   const char *words)
{
    struct buf text, all;

    buf_init(&text, 512);
    buf_init(&all, 512);
    buf_printf(&text, "%s\n", words);
    buf_printf(&all, "%sX-Content-Type-Options: nosniff\r\n", headers);
    respond(a, status, buf_text(&all), TEXT, buf_text(&text));
    buf_free(&text);
    buf_free(&all);
}

static bool is_get(const struct http_request *r)
{
    return (r->method.n == 3 && memcmp(r->method.p, "GET", 3) == 0) ||
           (r->method.n == 4 && memcmp(r->method.p, "HEAD", 4) == 0);
}

/* --- /derp ------------------------------------------------------------------------------------ */

static void refuse_websocket(const struct answer *a, int status, const char *why)
{
    switch (status) {
    case 426:
        refuse(a, "426 Upgrade Required", "Upgrade: websocket\r\n", why);
        return;
    case 405:
        refuse(a, "405 Method Not Allowed", "Allow: GET\r\n", why);
        return;
    default:
        refuse(a, "400 Bad Request", "Sec-WebSocket-Version: 13\r\n", why);
    }
}

static enum http_action answer_websocket(const struct http_request *r, const struct answer *a)
{
    char accept[WEBSOCKET_ACCEPT_LEN];

    websocket_accept(r, accept);
    buf_printf(a->out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
               "Sec-WebSocket-Protocol: derp\r\n\r\n",
               accept);
    return HTTP_ACTION_WEBSOCKET;
}

static enum http_action answer_upgrade(const struct http_request *r, const struct http_site *site,
                                       const struct answer *a)
{
    char key[2 * KEY_LEN + 1];

    if (http_span_is(http_header(r, "Derp-Fast-Start"), "1"))
        return HTTP_ACTION_DERP;
    text_hex(site->server_key.bytes, KEY_LEN, key);
    buf_printf(a->out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n"
               "Derp-Version: 2\r\nDerp-Public-Key: %s\r\n\r\n",
               key);
    return HTTP_ACTION_DERP;
}

static enum http_action answer_derp(const struct http_request *r, const struct http_site *site,
                                    const struct answer *a)
{
    struct http_span upgrade = http_header(r, "Upgrade");
    const char *why = NULL;
    int status = websocket_request(r, &why);

    if (status == 101)
        return answer_websocket(r, a);
    if (status != 0)
        refuse_websocket(a, status, why);
    else if (http_span_is(upgrade, "derp") || http_span_is(upgrade, "websocket"))
        return answer_upgrade(r, site, a);
    else
        refuse(a, "426 Upgrade Required", "Upgrade: DERP\r\n", "DERP requires connection upgrade");
    return a->keep ? HTTP_ACTION_KEEP : HTTP_ACTION_CLOSE;
}

/* --- Pages ------------------------------------------------------------------------------------ */

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
        refuse(a, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", "bogus probe method");
}

/* The name in Host without its port; n is 0 when there is none. */
static struct http_span host_name(const struct http_request *r)
{
    struct http_span host = http_header(r, "Host");
    size_t n = 0;

    if (host.n > 0 && host.p[0] == '[')
        while (n < host.n && host.p[n] != ']')
            n++;
    while (n < host.n && host.p[n] != ':')
        n++;
    return (struct http_span){host.p, n};
}

bool http_challenge_token(const struct http_request *r, char token[static HTTP_TOKEN_MAX])
{
    static const char prefix[] = "/.well-known/acme-challenge/";
    static const char alphabet[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t n = sizeof prefix - 1;

    if (r->path.n <= n || memcmp(r->path.p, prefix, n) != 0 || r->path.n - n >= HTTP_TOKEN_MAX)
        return false;
    memcpy(token, r->path.p + n, r->path.n - n);
    token[r->path.n - n] = '\0';
    return strspn(token, alphabet) == r->path.n - n;
}

static void answer_challenge(const struct http_request *r, const struct http_site *site,
                             const struct answer *a)
{
    if (!is_get(r))
        refuse(a, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", "use GET");
    else if (site->key_authorization == NULL)
        refuse(a, "404 Not Found", "", "no such challenge is pending");
    else
        respond(a, "200 OK", "Cache-Control: no-store\r\n", "application/octet-stream",
                site->key_authorization);
}

/* Port 80 has no pages of its own: what is not the captive-portal check goes to https. */
static void answer_redirect(const struct http_request *r, const struct http_site *site,
                            const struct answer *a)
{
    struct http_span host = host_name(r);
    struct buf headers;
    bool bare;

    if (site->domain != NULL)
        host = (struct http_span){site->domain, strlen(site->domain)};
    if (!is_get(r) || host.n == 0) {
        refuse(a, "400 Bad Request", "", "Use HTTPS");
        return;
    }
    buf_init(&headers, HTTP_HEAD_MAX + 512);
    bare = memchr(host.p, ':', host.n) != NULL && host.p[0] != '['; /* IPv6, from the config */
    buf_printf(&headers, "Location: https://%s%.*s%s%.*s%s%.*s\r\n", bare ? "[" : "", (int)host.n,
               host.p, bare ? "]" : "", (int)r->path.n, r->path.p, r->query.n > 0 ? "?" : "",
               (int)r->query.n, r->query.p);
    respond(a, "302 Found", buf_text(&headers), NULL, "");
    buf_free(&headers);
}

static void answer_home(const struct http_page *home, const struct answer *a)
{
    struct buf headers;

    if (home == NULL) {
        respond(a, "200 OK", BROWSER_HEADERS OUR_POLICY, HTML, home_page);
        return;
    }
    if (home->location == NULL) {
        respond_bytes(a, "200 OK",
                      home->is_own ? BROWSER_HEADERS OWN_POLICY : BROWSER_HEADERS OUR_POLICY,
                      home->type, home->body, home->n);
        return;
    }
    buf_init(&headers, HTTP_PAGE_MAX);
    buf_printf(&headers, "Location: %s\r\n%s", home->location, BROWSER_HEADERS OUR_POLICY);
    respond(a, "302 Found", buf_text(&headers), NULL, "");
    buf_free(&headers);
}

static void answer_page(const struct http_request *r, const struct http_site *site,
                        struct answer *a)
{
    if (http_path_is(r, "/robots.txt")) {
        respond(a, "200 OK", BROWSER_HEADERS OUR_POLICY, TEXT, "User-agent: *\nDisallow: /\n");
    } else if (http_path_is(r, "/bootstrap-dns")) {
        a->keep = false; /* its clients ask once, and another relay the next time */
        respond(a, "200 OK", BROWSER_HEADERS OUR_POLICY, "application/json",
                site->names != NULL ? site->names : "{}\n");
    } else if (http_path_is(r, "*")) {
        respond(a, "200 OK", "", NULL, ""); /* OPTIONS of the server as a whole */
    } else {
        answer_home(site->home, a);
    }
}

static bool may_keep(const struct http_request *r)
{
    uint64_t body;

    /* A body would have to be read over; no client of a relay sends one. */
    if (!http_body_length(r, &body) || body > 0 || http_has_token(r, "Connection", "close"))
        return false;
    return r->minor == 1 || http_has_token(r, "Connection", "keep-alive");
}

enum http_action http_answer(const struct http_request *r, const struct http_site *site,
                             struct buf *out)
{
    char token[HTTP_TOKEN_MAX];
    struct answer a = {.out = out,
                       .keep = may_keep(r),
                       .is_head = http_span_is(r->method, "HEAD"),
                       .minor = r->minor,
                       .now = site->now};

    if (http_span_is(r->method, "CONNECT")) {
        a.keep = false; /* what follows is meant for another server */
        refuse(&a, site->is_plain ? "400 Bad Request" : "403 Forbidden", "", "this is no proxy");
    } else if (http_path_is(r, "/generate_204")) {
        answer_no_content(r, &a);
    } else if (site->is_plain && http_challenge_token(r, token)) {
        answer_challenge(r, site, &a);
    } else if (site->is_plain) {
        answer_redirect(r, site, &a);
    } else if (http_path_is(r, "/derp")) {
        return answer_derp(r, site, &a);
    } else if (http_path_is(r, "/derp/probe") || http_path_is(r, "/derp/latency-check")) {
        answer_probe(r, &a);
    } else {
        answer_page(r, site, &a);
    }
    return a.keep ? HTTP_ACTION_KEEP : HTTP_ACTION_CLOSE;
}

/* --- Proxies ---------------------------------------------------------------------------------- */

/* Can this only be a client that wanted an upgrade? Go's client, when it speaks by itself and not
 * through a transport, names no encodings; derphttp does so. Browsers show by Sec-WebSocket-*. */
static bool wanted_upgrade(const struct http_request *r)
{
    struct http_span agent = http_header(r, "User-Agent");

    if (http_header(r, "Derp-Fast-Start").p != NULL || http_header(r, "Ideal-Node").p != NULL ||
        http_header(r, "Sec-WebSocket-Key").p != NULL ||
        http_header(r, "Sec-WebSocket-Protocol").p != NULL)
        return true;
    return agent.n >= 15 && strncasecmp(agent.p, "Go-http-client/", 15) == 0 &&
           http_header(r, "Accept-Encoding").p == NULL && http_header(r, "Accept").p == NULL;
}

const char *http_proxy_sign(const struct http_request *r)
{
    static const char *const signs[] = {
        "Via",       "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
        "X-Real-IP", "CDN-Loop"};

    if (!http_path_is(r, "/derp"))
        return NULL;
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (http_header(r, signs[i]).p != NULL)
            return signs[i];
    return http_header(r, "Upgrade").p == NULL && wanted_upgrade(r) ? "no Upgrade" : NULL;
}

/* --- Refused heads ---------------------------------------------------------------------------- */

void http_answer_bad(enum http_result why, const struct http_site *site, struct buf *out)
{
    static const char *const status[] = {[HTTP_BAD] = "400 Bad Request",
                                         [HTTP_EXPECTATION] = "417 Expectation Failed",
                                         [HTTP_TOO_LARGE] = "431 Request Header Fields Too Large",
                                         [HTTP_CODING] = "501 Not Implemented",
                                         [HTTP_VERSION] = "505 HTTP Version Not Supported"};
    struct answer a = {.out = out, .minor = 1, .now = site->now};

    respond(&a, status[why], "", NULL, "");
}
