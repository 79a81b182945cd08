/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/websocket.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/mem.h"

#define KEY_TEXT_LEN 24  /* base64 of 16 bytes */
#define CONTROL_MAX  125 /* payload of a control frame, RFC 6455 5.5 */
#define ANSWERS_MAX  16  /* pongs per call: more pings than that are not answered */
#define FIN          0x80

static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

struct websocket {
    wslay_frame_context_ptr frames;
    const uint8_t *in; /* of the call under way */
    size_t in_len;
    bool started;         /* the payload of a frame is being read */
    bool in_message;      /* a fragmented message is open */
    uint64_t message_len; /* of the open message so far */
    uint64_t frame_left;  /* payload bytes of the current frame still to come */
    uint8_t control[CONTROL_MAX];
    size_t control_len;
};

/* Is "derp" in the list? Subprotocols are compared with their case (RFC 6455 4.2.2). */
static bool offers_derp(struct http_span list)
{
    for (size_t i = 0; i + 4 <= list.n; i++) {
        bool begins = i == 0 || strchr(", \t", list.p[i - 1]) != NULL;
        bool ends = i + 4 == list.n || strchr(", \t", list.p[i + 4]) != NULL;
        if (begins && ends && memcmp(list.p + i, "derp", 4) == 0)
            return true;
    }
    return false;
}

static bool key_is_sound(const struct http_request *r)
{
    struct http_span key = http_header(r, "Sec-WebSocket-Key");
    unsigned char bytes[18];
    size_t n;

    return key.n == KEY_TEXT_LEN &&
           sodium_base642bin(bytes, sizeof bytes, key.p, key.n, NULL, &n, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           n == 16;
}

int websocket_request(const struct http_request *r, const char **why)
{
    struct http_span protocols = http_header(r, "Sec-WebSocket-Protocol");

    if (!http_span_is(http_header(r, "Upgrade"), "websocket") || protocols.n == 0 ||
        memmem(protocols.p, protocols.n, "derp", 4) == NULL)
        return 0;
    *why = "WebSocket needs HTTP/1.1 and Connection: Upgrade";
    if (r->minor == 0 || !http_has_token(r, "Connection", "upgrade"))
        return 426;
    *why = "WebSocket begins with GET";
    if (r->method.n != 3 || memcmp(r->method.p, "GET", 3) != 0)
        return 405;
    *why = "WebSocket is spoken in version 13";
    if (!http_span_is(http_header(r, "Sec-WebSocket-Version"), "13"))
        return 400;
    *why = "Sec-WebSocket-Key is not base64 of 16 bytes";
    if (!key_is_sound(r))
        return 400;
    *why = "the subprotocol is derp";
    return offers_derp(protocols) ? 101 : 400;
}

void websocket_accept(const struct http_request *r, char text[static WEBSOCKET_ACCEPT_LEN])
{
    struct http_span key = http_header(r, "Sec-WebSocket-Key");
    unsigned char joined[KEY_TEXT_LEN + sizeof magic - 1], digest[20];

    memcpy(joined, key.p, KEY_TEXT_LEN);
    memcpy(joined + KEY_TEXT_LEN, magic, sizeof magic - 1);
    /* SHA-1 is what the protocol says; nothing secret hangs on it. */
    if (EVP_Digest(joined, sizeof joined, digest, NULL, EVP_sha1(), NULL) != 1)
        abort();
    sodium_bin2base64(text, WEBSOCKET_ACCEPT_LEN, digest, sizeof digest,
                      sodium_base64_VARIANT_ORIGINAL);
}

static ssize_t give(uint8_t *out, size_t len, int flags, void *arg)
{
    struct websocket *w = arg;
    size_t n = len < w->in_len ? len : w->in_len;

    (void)flags;
    if (n == 0)
        return -1; /* wslay: wants to read more */
    memcpy(out, w->in, n);
    w->in += n;
    w->in_len -= n;
    return (ssize_t)n;
}

struct websocket *websocket_new(void)
{
    const struct wslay_frame_callbacks callbacks = {.recv_callback = give};
    struct websocket *w = mem_alloc(1, sizeof *w);

    if (wslay_frame_context_init(&w->frames, &callbacks, w) != 0)
        abort();
    return w;
}

void websocket_free(struct websocket *w)
{
    if (w == NULL)
        return;
    wslay_frame_context_free(w->frames);
    free(w);
}

static void put_control(struct buf *control, uint8_t opcode, const void *payload, size_t n)
{
    const uint8_t head[2] = {FIN | opcode, (uint8_t)n};

    if (control->len + sizeof head + n > control->max)
        return;
    buf_append(control, head, sizeof head);
    buf_append(control, payload, n);
}

static enum websocket_status end(struct buf *control, enum websocket_status why)
{
    const uint8_t code[2] = {(uint8_t)(why >> 8), (uint8_t)why};

    put_control(control, WSLAY_CONNECTION_CLOSE, code, sizeof code);
    return why;
}

/* Judges a frame when its header is there (RFC 6455 5.2, 5.4, 5.5). */
static enum websocket_status begin_frame(struct websocket *w, const struct wslay_frame_iocb *f)
{
    if (!f->mask || f->rsv != 0)
        return WEBSOCKET_PROTOCOL_ERROR;
    w->frame_left = f->payload_length;
    switch (f->opcode) {
    case WSLAY_TEXT_FRAME:
        return WEBSOCKET_UNSUPPORTED;
    case WSLAY_BINARY_FRAME:
    case WSLAY_CONTINUATION_FRAME:
        if (w->in_message != (f->opcode == WSLAY_CONTINUATION_FRAME))
            return WEBSOCKET_PROTOCOL_ERROR;
        w->in_message = !f->fin;
        if (f->opcode == WSLAY_BINARY_FRAME)
            w->message_len = 0;
        if (f->payload_length > WEBSOCKET_MESSAGE_MAX - w->message_len)
            return WEBSOCKET_TOO_BIG;
        w->message_len += f->payload_length;
        return WEBSOCKET_OPEN;
    case WSLAY_PING:
    case WSLAY_PONG:
    case WSLAY_CONNECTION_CLOSE:
        w->control_len = 0;
        return f->fin && f->payload_length <= CONTROL_MAX ? WEBSOCKET_OPEN
                                                          : WEBSOCKET_PROTOCOL_ERROR;
    default:
        return WEBSOCKET_PROTOCOL_ERROR;
    }
}

static enum websocket_status end_control(struct websocket *w, uint8_t opcode, struct buf *control)
{
    if (opcode == WSLAY_PING && control->len < ANSWERS_MAX * (CONTROL_MAX + 2))
        put_control(control, WSLAY_PONG, w->control, w->control_len);
    return opcode == WSLAY_CONNECTION_CLOSE ? end(control, WEBSOCKET_NORMAL) : WEBSOCKET_OPEN;
}

static enum websocket_status take_part(struct websocket *w, const struct wslay_frame_iocb *f,
                                       struct buf *stream, struct buf *control)
{
    bool is_control = f->opcode >= WSLAY_CONNECTION_CLOSE;

    if (is_control) {
        memcpy(w->control + w->control_len, f->data, f->data_length);
        w->control_len += f->data_length;
    } else if (!buf_append(stream, f->data, f->data_length)) {
        return end(control, WEBSOCKET_TOO_BIG);
    }
    w->frame_left -= f->data_length;
    w->started = w->frame_left > 0;
    return is_control && !w->started ? end_control(w, f->opcode, control) : WEBSOCKET_OPEN;
}

enum websocket_status websocket_take(struct websocket *w, const uint8_t *data, size_t n,
                                     struct buf *stream, struct buf *control)
{
    enum websocket_status s = WEBSOCKET_OPEN;

    w->in = data;
    w->in_len = n;
    while (s == WEBSOCKET_OPEN) {
        struct wslay_frame_iocb f = {0};
        ssize_t got = wslay_frame_recv(w->frames, &f);

        if (got == WSLAY_ERR_WANT_READ)
            break;
        if (got < 0)
            return end(control, WEBSOCKET_PROTOCOL_ERROR);
        if (!w->started) {
            s = begin_frame(w, &f);
            if (s != WEBSOCKET_OPEN)
                return end(control, s);
        }
        s = take_part(w, &f, stream, control);
    }
    return s;
}

size_t websocket_wrap(uint8_t *p, size_t n)
{
    if (n <= 125) {
        p[-2] = FIN | WSLAY_BINARY_FRAME;
        p[-1] = (uint8_t)n;
        return 2;
    }
    p[-4] = FIN | WSLAY_BINARY_FRAME;
    p[-3] = 126;
    p[-2] = (uint8_t)(n >> 8);
    p[-1] = (uint8_t)n;
    return 4;
}
