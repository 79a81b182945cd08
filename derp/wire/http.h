/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.x message heads (RFC 9112), as much as a relay needs. Pure: views into the input. */
#ifndef DERP_WIRE_HTTP_H
#define DERP_WIRE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX    8192 /* bytes of a head */
#define HTTP_HEADERS_MAX 64

/* A part of the head; not terminated. */
struct http_span {
    const char *p;
    size_t n;
};

struct http_header {
    struct http_span name;
    struct http_span value; /* without white space around it */
};

struct http_request {
    struct http_span method;
    struct http_span path;  /* of origin-form or absolute-form, without query; not decoded */
    struct http_span query; /* without '?', empty when none */
    int minor;              /* 0 or 1 of HTTP/1.x */
    size_t header_count;
    struct http_header headers[HTTP_HEADERS_MAX];
};

struct http_response {
    int status;
    size_t header_count;
    struct http_header headers[HTTP_HEADERS_MAX];
};

enum http_result {
    HTTP_OK,         /* whole head; *used bytes are consumed */
    HTTP_INCOMPLETE, /* more bytes are needed */
    HTTP_BAD,        /* 400 */
    HTTP_TOO_LARGE,  /* 431: more than HTTP_HEAD_MAX bytes or HTTP_HEADERS_MAX lines */
    HTTP_VERSION,    /* 505: not HTTP/1.x */
    HTTP_CODING,     /* 501: a transfer coding other than chunked */
    HTTP_EXPECTATION /* 417: an expectation other than 100-continue */
};

/* Reads one request head from p[0..n); lines may end in CRLF or bare LF. Leading empty lines are
 * skipped (RFC 9112 2.2). Refused: control characters, space before a colon, obsolete folding. */
enum http_result http_read_request(const char *p, size_t n, struct http_request *r, size_t *used);

/*
 * Is a request that was read what RFC 9112 wants as a whole? One Host (3.2), a target of its
 * method's form (3.2), a body that has a length (6.3). HTTP_OK, HTTP_BAD, HTTP_CODING or
 * HTTP_EXPECTATION; the path of the last two is in order.
 */
enum http_result http_check(const struct http_request *r);

/* Client side: reads one response head. */
enum http_result http_read_response(const char *p, size_t n, struct http_response *r, size_t *used);

/* Value of the first header of that name (any case); p == NULL when absent. */
struct http_span http_header(const struct http_request *r, const char *name);
struct http_span http_response_header(const struct http_response *r, const char *name);

/* Is this the request's path, byte for byte? */
bool http_path_is(const struct http_request *r, const char *path);

/* Case-insensitive comparison of a span with a string. */
bool http_span_is(struct http_span s, const char *text);
/* True when the comma-separated list in s has this token (any case). */
bool http_span_has_token(struct http_span s, const char *token);
/* The same over all headers of that name. */
bool http_has_token(const struct http_request *r, const char *name, const char *token);

/* The body length a request announces: 0 without; false for Transfer-Encoding and for a
 * Content-Length that is no number or contradicts another. */
bool http_body_length(const struct http_request *r, uint64_t *n);

#endif
