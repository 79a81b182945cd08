/* SPDX-License-Identifier: Apache-2.0 */
/* What the relay answers to an HTTP request. Pure: request in, bytes out. */
#ifndef DERP_RELAY_HTTP_ANSWER_H
#define DERP_RELAY_HTTP_ANSWER_H

#include <stdbool.h>

#include "base/buf.h"
#include "derp/wire/http.h"
#include "derp/wire/key.h"

enum http_action {
    HTTP_ACTION_KEEP,      /* answered; the connection may carry another request */
    HTTP_ACTION_CLOSE,     /* answered; close it after that */
    HTTP_ACTION_DERP,      /* DERP frames follow (after the answer, if one was written) */
    HTTP_ACTION_WEBSOCKET, /* the same, inside WebSocket messages */
};

struct http_site {
    struct node_key server_key;
    bool is_plain;      /* port 80: captive-portal check and redirects only */
    const char *domain; /* for redirects; may be NULL */
};

/* Appends the answer to out (which has room for 4 KiB). */
enum http_action http_answer(const struct http_request *r, const struct http_site *site,
                             struct buf *out);

/* Did an HTTP proxy pass on this request for DERP? It says so itself (RFC 9110 7.6.3, RFC 7239, or
 * as nginx is often told to), or it took the upgrade out of a Tailscale client's request. */
bool http_was_proxied(const struct http_request *r);

/* Answers a head that could not be read (400, 431, 505); close afterwards. */
void http_answer_bad(enum http_result why, struct buf *out);

#endif
