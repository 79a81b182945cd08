/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/http.h"

#include <string.h>
#include <strings.h>

/* Where reading stands in a head that may not be whole yet. */
struct cursor {
    const char *p;
    const char *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 9110 5.6.2 */
static bool is_token_char(char c)
{
    return is_digit(c) || is_alpha(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct http_span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_token_char(s.p[i]))
            return false;
    return s.n > 0;
}

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

static struct http_span trim(struct http_span s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* Splits s at the first c: the part before it is returned, *rest is what follows.
 * Without c everything is returned and *rest is {NULL, 0}. */
static struct http_span split(struct http_span s, char c, struct http_span *rest)
{
    const char *at = s.n > 0 ? memchr(s.p, c, s.n) : NULL;

    *rest = (struct http_span){0};
    if (!at)
        return s;
    *rest = (struct http_span){at + 1, s.n - (size_t)(at + 1 - s.p)};
    return (struct http_span){s.p, (size_t)(at - s.p)};
}

/*
 * The next line without its end. A line that is not whole is judged too, so that binary garbage
 * is refused at once rather than waited for.
 */
static enum http_result next_line(struct cursor *c, struct http_span *line)
{
    size_t left = (size_t)(c->end - c->p);
    const char *lf = left > 0 ? memchr(c->p, '\n', left) : NULL;
    size_t n = lf ? (size_t)(lf - c->p) : left;

    if (n > 0 && c->p[n - 1] == '\r')
        n--; /* of CRLF, or the LF may still come */
    for (size_t i = 0; i < n; i++)
        if (is_control(c->p[i]) && c->p[i] != '\t')
            return HTTP_BAD;
    if (!lf)
        return HTTP_INCOMPLETE;
    *line = (struct http_span){c->p, n};
    c->p = lf + 1;
    return HTTP_OK;
}

/* The first line; for requests empty lines before it are skipped (RFC 9112 2.2). */
static enum http_result first_line(struct cursor *c, bool skip_empty, struct http_span *line)
{
    enum http_result result;

    do
        result = next_line(c, line);
    while (result == HTTP_OK && line->n == 0 && skip_empty);
    return result;
}

/* Header lines up to and including the empty one. */
static enum http_result read_headers(struct cursor *c, struct http_header *headers, size_t *count)
{
    struct http_span line;
    enum http_result result;

    *count = 0;
    while ((result = next_line(c, &line)) == HTTP_OK) {
        if (line.n == 0)
            return HTTP_OK;
        if (*count == HTTP_HEADERS_MAX)
            return HTTP_TOO_LARGE;
        struct http_header *h = &headers[(*count)++];
        h->name = split(line, ':', &h->value);
        /* Folded lines begin with white space and so fail here too. */
        if (!h->value.p || !is_token(h->name))
            return HTTP_BAD;
        h->value = trim(h->value);
    }
    return result;
}

/* "HTTP/1.x" */
static enum http_result read_version(struct http_span s, int *minor)
{
    if (s.n != 8 || memcmp(s.p, "HTTP/", 5) != 0 || !is_digit(s.p[5]) || s.p[6] != '.' ||
        !is_digit(s.p[7]))
        return HTTP_BAD;
    if (s.p[5] != '1')
        return HTTP_VERSION;
    *minor = s.p[7] == '0' ? 0 : 1; /* later minors are answered as 1.1 (RFC 9110 2.5) */
    return HTTP_OK;
}

/* Length of "scheme://" in front of an absolute-form target (RFC 3986 3.1); 0: none. */
static size_t scheme_length(struct http_span target)
{
    size_t n = 0;

    while (n < target.n && (is_alpha(target.p[n]) ||
                            (n > 0 && (is_digit(target.p[n]) || memchr("+-.", target.p[n], 3)))))
        n++;
    return n > 0 && target.n - n >= 3 && memcmp(target.p + n, "://", 3) == 0 ? n + 3 : 0;
}

static void read_target(struct http_span target, struct http_request *r)
{
    size_t skip = scheme_length(target);

    if (skip > 0)
        while (skip < target.n && target.p[skip] != '/' && target.p[skip] != '?')
            skip++;
    r->path = split((struct http_span){target.p + skip, target.n - skip}, '?', &r->query);
    if (!r->query.p)
        r->query = (struct http_span){"", 0};
    if (r->path.n == 0 && skip > 0)
        r->path = (struct http_span){"/", 1}; /* RFC 9110 4.2.3 */
}

static enum http_result read_request_line(struct http_span line, struct http_request *r)
{
    struct http_span target;
    struct http_span version;

    r->method = split(line, ' ', &target);
    target = split(target, ' ', &version);
    if (!is_token(r->method) || target.n == 0 || !version.p || memchr(target.p, '\t', target.n))
        return HTTP_BAD;
    read_target(target, r);
    return read_version(version, &r->minor);
}

static enum http_result read_status_line(struct http_span line, struct http_response *r)
{
    struct http_span rest;
    struct http_span reason;
    int minor;
    enum http_result result = read_version(split(line, ' ', &rest), &minor);

    if (result != HTTP_OK)
        return result;
    rest = split(rest, ' ', &reason); /* RFC 9112 4 wants the space, not everyone sends it */
    if (rest.n != 3 || !is_digit(rest.p[0]) || !is_digit(rest.p[1]) || !is_digit(rest.p[2]))
        return HTTP_BAD;
    r->status = (rest.p[0] - '0') * 100 + (rest.p[1] - '0') * 10 + (rest.p[2] - '0');
    return r->status >= 100 ? HTTP_OK : HTTP_BAD;
}

/* What a head that is not whole after n bytes means. */
static enum http_result verdict(enum http_result result, size_t n)
{
    return result == HTTP_INCOMPLETE && n >= HTTP_HEAD_MAX ? HTTP_TOO_LARGE : result;
}

enum http_result http_read_request(const char *p, size_t n, struct http_request *r, size_t *used)
{
    size_t judged = n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX;
    struct cursor c = {p, p + judged};
    struct http_span line;
    enum http_result result = first_line(&c, true, &line);

    if (result == HTTP_OK)
        result = read_request_line(line, r);
    if (result == HTTP_OK)
        result = read_headers(&c, r->headers, &r->header_count);
    if (result == HTTP_OK)
        *used = (size_t)(c.p - p);
    return verdict(result, n);
}

enum http_result http_read_response(const char *p, size_t n, struct http_response *r, size_t *used)
{
    size_t judged = n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX;
    struct cursor c = {p, p + judged};
    struct http_span line;
    enum http_result result = first_line(&c, false, &line);

    if (result == HTTP_OK)
        result = read_status_line(line, r);
    if (result == HTTP_OK)
        result = read_headers(&c, r->headers, &r->header_count);
    if (result == HTTP_OK)
        *used = (size_t)(c.p - p);
    return verdict(result, n);
}

static struct http_span find_header(const struct http_header *headers, size_t count,
                                    const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (http_span_is(headers[i].name, name))
            return headers[i].value;
    return (struct http_span){0};
}

struct http_span http_header(const struct http_request *r, const char *name)
{
    return find_header(r->headers, r->header_count, name);
}

struct http_span http_response_header(const struct http_response *r, const char *name)
{
    return find_header(r->headers, r->header_count, name);
}

bool http_path_is(const struct http_request *r, const char *path)
{
    return r->path.n == strlen(path) && memcmp(r->path.p, path, r->path.n) == 0;
}

bool http_span_is(struct http_span s, const char *text)
{
    return s.p && s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

bool http_span_has_token(struct http_span s, const char *token)
{
    while (s.n > 0) {
        struct http_span rest;

        if (http_span_is(trim(split(s, ',', &rest)), token))
            return true;
        s = rest;
    }
    return false;
}

bool http_has_token(const struct http_request *r, const char *name, const char *token)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (http_span_is(r->headers[i].name, name) &&
            http_span_has_token(r->headers[i].value, token))
            return true;
    return false;
}

/* A decimal number that fits. */
static bool read_length(struct http_span s, uint64_t *n)
{
    *n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i]) || *n > (UINT64_MAX - 9) / 10)
            return false;
        *n = *n * 10 + (uint64_t)(s.p[i] - '0');
    }
    return s.n > 0;
}

bool http_body_length(const struct http_request *r, uint64_t *n)
{
    bool seen = false;

    *n = 0;
    for (size_t i = 0; i < r->header_count; i++) {
        const struct http_header *h = &r->headers[i];
        uint64_t one;

        if (http_span_is(h->name, "Transfer-Encoding"))
            return false;
        if (!http_span_is(h->name, "Content-Length"))
            continue;
        if (!read_length(h->value, &one) || (seen && one != *n))
            return false;
        *n = one;
        seen = true;
    }
    return true;
}

/* --- The request as a whole ------------------------------------------------------------------- */

/* RFC 3986 3.2.2 and a port, by their characters. */
static bool is_host(struct http_span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_digit(s.p[i]) && !is_alpha(s.p[i]) && !memchr("!$%&'()*+,-.:;=[]_~", s.p[i], 19))
            return false;
    return true;
}

/* Exactly one since HTTP/1.1 (RFC 9112 3.2). */
static bool host_is_sound(const struct http_request *r)
{
    size_t count = 0;

    for (size_t i = 0; i < r->header_count; i++) {
        if (!http_span_is(r->headers[i].name, "Host"))
            continue;
        count++;
        if (!is_host(r->headers[i].value))
            return false;
    }
    return count == 1 || (count == 0 && r->minor == 0);
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* A path whose escapes are whole, or what two methods have instead (RFC 9112 3.2.3, 3.2.4). */
static bool target_is_sound(const struct http_request *r)
{
    struct http_span p = r->path;

    if (http_span_is(r->method, "CONNECT") ||
        (http_span_is(r->method, "OPTIONS") && http_path_is(r, "*")))
        return true;
    for (size_t i = 0; i < p.n; i++)
        if (p.p[i] == '%' && (p.n - i < 3 || !is_hex(p.p[i + 1]) || !is_hex(p.p[i + 2])))
            return false;
    return p.n > 0 && p.p[0] == '/';
}

enum http_result http_check(const struct http_request *r)
{
    struct http_span coding = http_header(r, "Transfer-Encoding");
    struct http_span expect = http_header(r, "Expect");
    uint64_t length;

    if (!host_is_sound(r) || !target_is_sound(r))
        return HTTP_BAD;
    if (coding.p && !http_span_is(coding, "chunked"))
        return HTTP_CODING;
    if (!coding.p && !http_body_length(r, &length))
        return HTTP_BAD;
    return expect.n > 0 && !http_span_is(expect, "100-continue") ? HTTP_EXPECTATION : HTTP_OK;
}
