/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/ops/admin.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/mem.h"
#include "derp/net/conn.h"
#include "derp/net/listener.h"
#include "derp/wire/http.h"

#define CLIENTS_MAX 32
#define REQUEST_MS  5000
#define ANSWER_MAX  (256 * 1024)
#define FINISH_MS   2000

struct client {
    struct admin *admin;
    struct conn *conn;
    struct buf answer;
    struct client *prev, *next;
};

struct admin {
    struct loop *loop;
    struct listener *listener;
    struct conn_scratch *scratch;
    void (*collect)(void *arg, struct report *r);
    void *arg;
    struct client *clients;
    unsigned count;
};

static void respond(struct client *c, const char *status, const char *type, const struct buf *body,
                    bool is_head)
{
    buf_printf(&c->answer,
               "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
               "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
               status, type, body->len);
    if (!is_head)
        buf_append(&c->answer, body->data, body->len);
}

static void answer(struct client *c, const struct http_request *r)
{
    bool is_head = http_span_is(r->method, "HEAD");
    struct report report;
    struct buf body;

    buf_init(&body, ANSWER_MAX - 1024);
    memset(&report, 0, sizeof report);
    if (!is_head && !http_span_is(r->method, "GET")) {
        buf_puts(&body, "only GET and HEAD are answered\n");
        respond(c, "405 Method Not Allowed", "text/plain; charset=utf-8", &body, false);
    } else if (http_path_is(r, "/metrics")) {
        c->admin->collect(c->admin->arg, &report);
        report_metrics(&report, &body);
        respond(c, "200 OK", "text/plain; version=0.0.4; charset=utf-8", &body, is_head);
    } else if (http_path_is(r, "/status")) {
        c->admin->collect(c->admin->arg, &report);
        report_status(&report, &body);
        respond(c, "200 OK", "application/json", &body, is_head);
    } else {
        buf_puts(&body, "there are /metrics and /status\n");
        respond(c, http_path_is(r, "/") ? "200 OK" : "404 Not Found", "text/plain; charset=utf-8",
                &body, is_head);
    }
    buf_free(&body);
}

static size_t on_data(void *owner, const uint8_t *data, size_t n, size_t *want)
{
    struct client *c = owner;
    struct http_request r;
    struct buf none;
    size_t used = 0;
    enum http_result result = http_read_request((const char *)data, n, &r, &used);

    (void)want;
    if (result == HTTP_INCOMPLETE)
        return 0;
    buf_init(&none, 1);
    if (result == HTTP_OK)
        answer(c, &r);
    else
        respond(c, "400 Bad Request", "text/plain", &none, true);
    conn_finish(c->conn, FINISH_MS);
    return n;
}

static size_t on_fill(void *owner, uint8_t *out, size_t room)
{
    struct client *c = owner;
    size_t n = c->answer.len < room ? c->answer.len : room;

    if (n == 0)
        return 0;
    memcpy(out, c->answer.data, n);
    buf_consume(&c->answer, n);
    return n;
}

static void on_deadline(void *owner)
{
    struct client *c = owner;

    conn_close(c->conn, CONN_END_LOCAL, "too slow");
}

static void on_end(void *owner, enum conn_end end, const char *reason)
{
    struct client *c = owner;

    (void)end;
    (void)reason;
    DL_DELETE(c->admin->clients, c);
    c->admin->count--;
    buf_free(&c->answer);
    free(c);
}

static const struct conn_events client_events = {
    .on_data = on_data, .on_fill = on_fill, .on_deadline = on_deadline, .on_end = on_end};

static void on_accept(void *arg, int fd, const struct endpoint *peer)
{
    struct admin *a = arg;
    struct conn_options opt = {.loop = a->loop,
                               .scratch = a->scratch,
                               .write_timeout_ms = REQUEST_MS,
                               .keep_max = HTTP_HEAD_MAX + 1};
    struct client *c;

    (void)peer;
    if (a->count >= CLIENTS_MAX) {
        close(fd);
        return;
    }
    c = mem_alloc(1, sizeof *c);
    c->admin = a;
    buf_init(&c->answer, ANSWER_MAX);
    DL_APPEND(a->clients, c);
    a->count++;
    c->conn = conn_accept(&opt, fd, &client_events, c);
    conn_deadline(c->conn, REQUEST_MS);
}

struct admin *admin_new(struct endpoint *at, struct loop *loop,
                        void (*collect)(void *arg, struct report *r), void *arg, struct fault *f)
{
    struct listener *l = listener_open(at, f);
    struct admin *a;

    if (l == NULL)
        return NULL;
    a = mem_alloc(1, sizeof *a);
    a->loop = loop;
    a->listener = l;
    a->scratch = conn_scratch_new();
    a->collect = collect;
    a->arg = arg;
    listener_start(l, loop, on_accept, a);
    return a;
}

void admin_free(struct admin *a)
{
    if (a == NULL)
        return;
    listener_close(a->listener);
    while (a->clients != NULL)
        conn_close(a->clients->conn, CONN_END_LOCAL, "shutdown");
    conn_scratch_free(a->scratch);
    free(a);
}
