/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DERP's byte stream inside WebSocket messages (RFC 6455), server side: for browsers and for
 * clients behind proxies that let only HTTP through. Message borders mean nothing. No extensions.
 * Framing is wslay's. Pure: bytes in, bytes out.
 */
#ifndef DERP_WIRE_WEBSOCKET_H
#define DERP_WIRE_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "derp/wire/http.h"

/* A longer message closes with 1009. Tailscale's client puts a long frame into one message. */
#define WEBSOCKET_MESSAGE_MAX (128 * 1024)
#define WEBSOCKET_OVERHEAD    4  /* most bytes that websocket_wrap adds */
#define WEBSOCKET_ACCEPT_LEN  29 /* base64 of a SHA-1 and a terminator */

/* Status codes of RFC 6455 7.4.1. */
enum websocket_status {
    WEBSOCKET_OPEN = 0,
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_PROTOCOL_ERROR = 1002,
    WEBSOCKET_UNSUPPORTED = 1003, /* a text message */
    WEBSOCKET_TOO_BIG = 1009,
};

/*
 * Does this request ask for a WebSocket with subprotocol "derp" (RFC 6455 4.2.1)? 0: no. Otherwise
 * the status of the answer: 101, or 400, 405 or 426 with the reason in words. Very old clients say
 * "WebSocket" without subprotocol and mean DERP: that is 0.
 */
int websocket_request(const struct http_request *r, const char **why);

/* Sec-WebSocket-Accept for the key of a request that is answered by 101 (RFC 6455 4.2.2). */
void websocket_accept(const struct http_request *r, char text[static WEBSOCKET_ACCEPT_LEN]);

struct websocket;
struct websocket *websocket_new(void);
void websocket_free(struct websocket *w);

/*
 * Takes n bytes from the peer; their payload is appended to stream, answers to pings and closes to
 * control. Returns WEBSOCKET_OPEN, or why the connection ends: then control holds the close frame
 * to send, and nothing more may be taken. False room in stream counts as WEBSOCKET_TOO_BIG.
 */
enum websocket_status websocket_take(struct websocket *w, const uint8_t *data, size_t n,
                                     struct buf *stream, struct buf *control);

/*
 * Makes a binary message of n bytes (1..65535) at p: writes its header so that it ends right before
 * p (WEBSOCKET_OVERHEAD bytes must be free there) and returns the header's size.
 */
size_t websocket_wrap(uint8_t *p, size_t n);

#endif
