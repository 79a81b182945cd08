/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/client/handshake.h"

#include <string.h>

#include "base/text.h"
#include "base/translate.h"
#include "derp/wire/frame.h"
#include "derp/wire/http.h"

#define SERVER_KEY_MAX 1024 /* future bytes included */

const char *handshake_step_name(enum handshake_step step)
{
    switch (step) {
    case HANDSHAKE_UPGRADE:
        return N_("the answer to the upgrade request");
    case HANDSHAKE_SERVER_KEY:
        return N_("the server's key");
    case HANDSHAKE_SERVER_INFO:
        return N_("the admission (ServerInfo)");
    case HANDSHAKE_OVER:
        break;
    }
    return N_("packets");
}

static bool send_client_info(const struct handshake *h, struct buf *out)
{
    return hello_write_client_info(out, &h->info, h->keys, &h->server_key, h->nonce);
}

bool handshake_start(struct handshake *h, const char *host, const struct keypair *keys,
                     const struct client_info *info, const struct node_key *server_key,
                     const uint8_t nonce[static 24], struct buf *out)
{
    memset(h, 0, sizeof(*h));
    h->keys = keys;
    h->info = *info;
    memcpy(h->nonce, nonce, sizeof(h->nonce));
    h->fast = server_key != NULL;
    if (!buf_printf(out,
                    "GET /derp HTTP/1.1\r\n"
                    "Host: %s\r\n"
                    "User-Agent: derp-relay/" DERP_RELAY_VERSION "\r\n"
                    "Upgrade: DERP\r\n"
                    "Connection: Upgrade\r\n"
                    "%s\r\n",
                    host, h->fast ? "Derp-Fast-Start: 1\r\n" : ""))
        return false;
    if (!h->fast)
        return true;
    h->server_key = *server_key;
    h->key_known = true;
    h->step = HANDSHAKE_SERVER_KEY;
    return send_client_info(h, out);
}

/* The key in the answer's header must be the one that the server sends later. */
static bool learn_header_key(struct handshake *h, struct http_span value)
{
    char hex[2 * KEY_LEN + 1] = "";

    if (value.n != 2 * (size_t)KEY_LEN)
        return false;
    memcpy(hex, value.p, value.n);
    h->key_known = text_unhex(hex, h->server_key.bytes, KEY_LEN);
    return h->key_known;
}

static enum handshake_result take_upgrade(struct handshake *h, const uint8_t *data, size_t n,
                                          size_t *used, struct fault *f)
{
    struct http_response r;

    switch (http_read_response((const char *)data, n, &r, used)) {
    case HTTP_OK:
        break;
    case HTTP_INCOMPLETE:
        return HANDSHAKE_MORE;
    default:
        fault_set(f, "the answer to the upgrade request is not HTTP/1");
        return HANDSHAKE_FAILED;
    }
    if (r.status != 101) {
        fault_set(f, "the upgrade to DERP was answered with HTTP status %d", r.status);
        return HANDSHAKE_FAILED;
    }
    struct http_span key = http_response_header(&r, "Derp-Public-Key");
    if (key.p && !learn_header_key(h, key)) {
        fault_set(f, "the answer to the upgrade request has a malformed Derp-Public-Key");
        return HANDSHAKE_FAILED;
    }
    h->step = HANDSHAKE_SERVER_KEY;
    return HANDSHAKE_DONE;
}

static enum handshake_result take_server_key(struct handshake *h, const struct frame *frame,
                                             struct buf *out, struct fault *f)
{
    struct node_key key;

    if (frame->type != FRAME_SERVER_KEY ||
        !hello_read_server_key(frame->payload, frame->len, &key)) {
        fault_set(f, "the server's first frame is no ServerKey (type 0x%02x, %zu bytes)",
                  frame->type, frame->len);
        return HANDSHAKE_FAILED;
    }
    if (h->key_known && !node_key_equal(&key, &h->server_key)) {
        fault_set(f, "the server's key is not the one that %s told: something stands between",
                  h->fast ? "its TLS certificate" : "its HTTP answer");
        return HANDSHAKE_FAILED;
    }
    h->server_key = key;
    h->key_known = true;
    h->step = HANDSHAKE_SERVER_INFO;
    if (!h->fast && !send_client_info(h, out)) {
        fault_set(f, "ClientInfo cannot be made for this server's key");
        return HANDSHAKE_FAILED;
    }
    return HANDSHAKE_DONE;
}

static enum handshake_result take_server_info(struct handshake *h, const struct frame *frame,
                                              struct fault *f)
{
    if (frame->type != FRAME_SERVER_INFO)
        return HANDSHAKE_DONE; /* read over, as any frame that a later version may send */
    if (!hello_read_server_info(frame->payload, frame->len, h->keys, &h->server_key,
                                &h->server_version, f))
        return HANDSHAKE_FAILED;
    h->step = HANDSHAKE_OVER;
    return HANDSHAKE_DONE;
}

static enum handshake_result take_frame(struct handshake *h, const uint8_t *data, size_t n,
                                        size_t *used, size_t *want, struct buf *out,
                                        struct fault *f)
{
    struct frame frame;
    uint8_t type;
    size_t len;

    /* The first frame is judged by its header: a stranger's bytes are no reason to wait. */
    if (h->step == HANDSHAKE_SERVER_KEY && frame_peek(data, n, &type, &len) &&
        (type != FRAME_SERVER_KEY || len > SERVER_KEY_MAX)) {
        fault_set(f, "the server's first frame is no ServerKey (type 0x%02x, %zu bytes)", type,
                  len);
        return HANDSHAKE_FAILED;
    }
    switch (frame_decode(data, n, &frame, used, want)) {
    case FRAME_OK:
        break;
    case FRAME_INCOMPLETE:
        return HANDSHAKE_MORE;
    case FRAME_TOO_LONG:
        fault_set(f, "the server sent a frame that is longer than DERP allows");
        return HANDSHAKE_FAILED;
    }
    *want = 0;
    if (h->step == HANDSHAKE_SERVER_KEY)
        return take_server_key(h, &frame, out, f);
    return take_server_info(h, &frame, f);
}

enum handshake_result handshake_feed(struct handshake *h, const uint8_t *data, size_t n,
                                     size_t *used, size_t *want, struct buf *out, struct fault *f)
{
    enum handshake_result result = HANDSHAKE_DONE;

    *used = 0;
    *want = 0;
    while (result == HANDSHAKE_DONE && h->step != HANDSHAKE_OVER) {
        size_t taken = 0;

        if (h->step == HANDSHAKE_UPGRADE)
            result = take_upgrade(h, data + *used, n - *used, &taken, f);
        else
            result = take_frame(h, data + *used, n - *used, &taken, want, out, f);
        *used += taken;
    }
    return result;
}
