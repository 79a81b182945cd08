/* SPDX-License-Identifier: Apache-2.0 */
/* DERP inside WebSocket: between the connection's bytes and the session's stream. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "derp/relay/internal.h"
#include "derp/wire/hello.h"

#define CONTROL_MAX 4096
/* The longest frame of a login, and what one read may bring beyond it. */
#define STREAM_MAX (HELLO_CLIENT_INFO_MAX + 256 * 1024)

void tunnel_open(struct session *s)
{
    s->tunnel = mem_alloc(1, sizeof *s->tunnel);
    s->tunnel->codec = websocket_new();
    buf_init(&s->tunnel->stream, STREAM_MAX);
    buf_init(&s->tunnel->control, CONTROL_MAX);
}

void tunnel_free(struct tunnel *t)
{
    if (t == NULL)
        return;
    websocket_free(t->codec);
    buf_free(&t->stream);
    buf_free(&t->control);
    free(t);
}

/* Hands on what is complete. While admission is asked all of it waits. */
static void hand_on(struct session *s,
                    size_t (*take)(struct session *s, const uint8_t *data, size_t n, size_t *want))
{
    struct buf *stream = &s->tunnel->stream;
    size_t want = 0;

    if (stream->len == 0)
        return;
    buf_consume(stream, take(s, stream->data, stream->len, &want));
    if (stream->len == 0)
        buf_free(stream);
}

size_t tunnel_take(struct session *s, const uint8_t *data, size_t n,
                   size_t (*take)(struct session *s, const uint8_t *data, size_t n, size_t *want))
{
    struct tunnel *t = s->tunnel;
    enum websocket_status status = websocket_take(t->codec, data, n, &t->stream, &t->control);

    hand_on(s, take);
    if (t->control.len > 0)
        session_mark_dirty(s);
    if (status != WEBSOCKET_OPEN && s->state != SESSION_FINISHING)
        session_finish(s);
    return n;
}

/* One message per call: control frames go between messages. */
size_t tunnel_fill(struct session *s, uint8_t *out, size_t room, size_t goal,
                   enum outbox_class class)
{
    struct buf *control = &s->tunnel->control;
    struct outbox_tools tools = session_tools(s);
    size_t n, head;

    if (control->len > 0) {
        n = control->len < room ? control->len : room;
        memcpy(out, control->data, n);
        buf_consume(control, n);
        return n;
    }
    n = outbox_fill(&s->outbox, out + WEBSOCKET_OVERHEAD, room - WEBSOCKET_OVERHEAD, goal, class,
                    &tools);
    if (n == 0)
        return 0;
    head = websocket_wrap(out + WEBSOCKET_OVERHEAD, n);
    if (head < WEBSOCKET_OVERHEAD)
        memmove(out, out + WEBSOCKET_OVERHEAD - head, head + n);
    return head + n;
}
