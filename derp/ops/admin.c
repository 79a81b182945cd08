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
#define LISTS_MAX   4     /* at a time: each holds all connections */
#define COLLECT_MS  3000  /* for the workers to fill it */
#define LIST_MS     30000 /* for the client to read it */

struct client {
    struct admin *admin;
    struct conn *conn;
    struct buf answer;
    struct relay_roll *roll; /* the list of connections; NULL: none, or written */
    bool roll_answered;      /* it is done and being written */
    size_t row;              /* its next line */
    struct client *prev, *next;
};

struct admin {
    struct loop *loop;
    struct listener *listener;
    struct conn_scratch *scratch;
    struct relay *relay;
    struct loop_wake called; /* a worker has filled the last part of a list */
    unsigned lists;
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

/* On a worker's thread. */
static void on_called(void *arg)
{
    struct admin *a = arg;

    loop_wake_send(&a->called);
}

static void free_list(struct client *c)
{
    if (c->roll == NULL)
        return;
    relay_roll_free(c->roll);
    c->roll = NULL;
    c->admin->lists--;
}

/* Its length is not known before the end: that is the connection's. */
static void answer_list(struct client *c)
{
    c->roll_answered = true;
    buf_puts(&c->answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
    report_connections_begin(&c->answer);
    conn_finish(c->conn, LIST_MS);
}

static void on_list(void *arg)
{
    struct admin *a = arg;
    struct client *c, *next;

    DL_FOREACH_SAFE(a->clients, c, next)
    if (c->roll != NULL && !c->roll_answered && relay_roll_is_done(c->roll))
        answer_list(c);
}

/* More lines, until there are room bytes. */
static void write_list(struct client *c, size_t room)
{
    while (c->roll != NULL && c->roll_answered && c->answer.len < room) {
        const struct relay_client *one = relay_roll_get(c->roll, c->row);

        if (one != NULL) {
            report_connection(one, c->row++, &c->answer);
            continue;
        }
        report_connections_end(&c->answer);
        free_list(c);
    }
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
    } else if (http_path_is(r, "/connections") && c->admin->lists >= LISTS_MAX) {
        buf_puts(&body, "busy with other lists\n");
        respond(c, "503 Service Unavailable", "text/plain; charset=utf-8", &body, is_head);
    } else if (http_path_is(r, "/connections") && !is_head) {
        c->admin->lists++;
        c->roll = relay_call_roll(c->admin->relay, on_called, c->admin);
        conn_deadline(c->conn, COLLECT_MS);
    } else if (http_path_is(r, "/connections")) {
        respond(c, "200 OK", "application/json", &body, true);
    } else {
        buf_puts(&body, "there are /metrics, /status and /connections\n");
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
    enum http_result result;

    (void)want;
    if (c->roll != NULL)
        return n; /* after the request nothing is expected */
    result = http_read_request((const char *)data, n, &r, &used);
    if (result == HTTP_INCOMPLETE)
        return 0;
    buf_init(&none, 1);
    if (result == HTTP_OK)
        answer(c, &r);
    else
        respond(c, "400 Bad Request", "text/plain", &none, true);
    if (c->roll == NULL)
        conn_finish(c->conn, FINISH_MS);
    return n;
}

static size_t on_fill(void *owner, uint8_t *out, size_t room)
{
    struct client *c = owner;
    size_t n;

    write_list(c, room);
    n = c->answer.len < room ? c->answer.len : room;
    if (n == 0)
        return 0;
    memcpy(out, c->answer.data, n);
    buf_consume(&c->answer, n);
    return n;
}

static void on_deadline(void *owner)
{
    struct client *c = owner;
    struct buf body;

    if (c->roll == NULL) {
        conn_close(c->conn, CONN_END_LOCAL, "too slow");
        return;
    }
    free_list(c);
    buf_init(&body, 128);
    buf_puts(&body, "a worker of the relay does not answer\n");
    respond(c, "503 Service Unavailable", "text/plain; charset=utf-8", &body, false);
    buf_free(&body);
    conn_finish(c->conn, FINISH_MS);
}

static void on_end(void *owner, enum conn_end end, const char *reason)
{
    struct client *c = owner;

    (void)end;
    (void)reason;
    DL_DELETE(c->admin->clients, c);
    c->admin->count--;
    free_list(c);
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

struct admin *admin_new(struct endpoint *at, struct loop *loop, struct relay *relay,
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
    a->relay = relay;
    a->collect = collect;
    a->arg = arg;
    loop_wake_init(&a->called, loop, on_list, a);
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
    loop_wake_stop(&a->called);
    conn_scratch_free(a->scratch);
    free(a);
}
