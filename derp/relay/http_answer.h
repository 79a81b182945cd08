/* SPDX-License-Identifier: Apache-2.0 */
/* What the relay answers to an HTTP request. Pure: request in, bytes out. */
#ifndef DERP_RELAY_HTTP_ANSWER_H
#define DERP_RELAY_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/buf.h"
#include "derp/wire/http.h"
#include "derp/wire/key.h"

enum http_action {
    HTTP_ACTION_KEEP,      /* answered; the connection may carry another request */
    HTTP_ACTION_CLOSE,     /* answered; close it after that */
    HTTP_ACTION_DERP,      /* DERP frames follow (after the answer, if one was written) */
    HTTP_ACTION_WEBSOCKET, /* the same, inside WebSocket messages */
};

/* A page that the owner chose. */
struct http_page {
    const char *type;     /* its content type */
    const char *location; /* not NULL: a redirect to this URL, and no page */
    const void *body;
    size_t n;
    bool is_own; /* a file of the owner's, who may have put styles and pictures into it */
};

struct http_site {
    struct node_key server_key;
    bool is_plain;                 /* port 80: captive-portal check and redirects only */
    const char *domain;            /* for redirects; NULL: the name that was asked for */
    const struct http_page *home;  /* NULL: the page that says what this is */
    const char *names;             /* JSON for /bootstrap-dns; NULL: no names */
    const char *key_authorization; /* for a request that http_challenge_token knows; NULL: none */
    time_t now;                    /* for Date */
};

#define HTTP_TOKEN_MAX 129 /* of http-01, terminated; CAs use 22 to 43 characters */

/* Is this a request for an http-01 challenge (RFC 8555 8.3)? Copies its token, which consists of
 * letters, digits, "-" and "_" only, so that it may become a part of a path. */
bool http_challenge_token(const struct http_request *r, char token[static HTTP_TOKEN_MAX]);

#define HTTP_PAGE_MAX (64 * 1024) /* bytes of a page or of names */

/* Appends the answer to out (which has room for HTTP_PAGE_MAX and 16 KiB more). */
enum http_action http_answer(const struct http_request *r, const struct http_site *site,
                             struct buf *out);

/*
 * What gives away that an HTTP proxy passed on this request for DERP: the name of a header that
 * such proxies add (RFC 9110 7.6.3, RFC 7239, RFC 8586), or "no Upgrade" when one was taken away
 * from a client that cannot but have sent it. NULL: nothing, as with a browser that looks at /derp.
 */
const char *http_proxy_sign(const struct http_request *r);

/* Answers a head that could not be read or is refused (400, 417, 431, 501, 505); close after it. */
void http_answer_bad(enum http_result why, const struct http_site *site, struct buf *out);

#endif
