/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/query.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define PORT         53
#define STOP_POLL_MS 100
#define RESEND_MS    700 /* a datagram may get lost */
#define TCP_MAX      65535

/* One conversation. Over TCP each message has its length before it (RFC 7766 8). */
struct talk {
    struct query *query;
    int fd; /* -1: over */
    bool tcp;
    uint8_t question[2 + MESSAGE_QUESTION_MAX];
    size_t len;  /* of the question, without its length */
    size_t sent; /* over TCP */
    uint8_t *in;
    size_t got;
    int64_t resend_ms;
};

static void hang_up(struct talk *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    free(t->in);
    t->in = NULL;
}

/* A connected socket takes datagrams of that server only. */
static bool dial(struct talk *t, int type)
{
    struct endpoint to = t->query->server;
    if (endpoint_port(&to) == 0)
        endpoint_set_port(&to, PORT);
    t->fd = socket(to.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd < 0)
        return false;
    if (connect(t->fd, &to.any, endpoint_len(&to)) != 0 && errno != EINPROGRESS) {
        hang_up(t);
        return false;
    }
    return true;
}

bool query_has_route(const struct endpoint *server)
{
    struct endpoint to = *server;
    endpoint_set_port(&to, PORT);
    int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno != EAFNOSUPPORT;
    /* Of a datagram socket this only looks up the route. */
    bool none = connect(fd, &to.any, endpoint_len(&to)) != 0 &&
                (errno == ENETUNREACH || errno == EHOSTUNREACH || errno == EADDRNOTAVAIL);
    close(fd);
    return !none;
}

static void send_datagram(struct talk *t, int64_t now)
{
    t->resend_ms = now + RESEND_MS;
    if (send(t->fd, t->question + 2, t->len, MSG_NOSIGNAL) < 0 && errno != EAGAIN &&
        errno != ECONNREFUSED)
        hang_up(t);
}

static void begin(struct talk *t, struct query *q, int64_t now)
{
    struct message_question m = {.name = q->name, .type = q->type, .recurse = q->recurse};
    *t = (struct talk){.query = q, .fd = -1};
    if (getrandom(&m.id, sizeof m.id, 0) != (ssize_t)sizeof m.id)
        return;
    t->len = message_write(&m, t->question + 2);
    t->question[0] = (uint8_t)(t->len >> 8);
    t->question[1] = (uint8_t)t->len;
    if (t->len > 0 && dial(t, SOCK_DGRAM))
        send_datagram(t, now);
}

static void begin_tcp(struct talk *t)
{
    hang_up(t);
    t->tcp = true;
    t->sent = t->got = 0;
    if (dial(t, SOCK_STREAM))
        t->in = mem_alloc(2 + TCP_MAX, 1);
}

static void take(struct talk *t, const uint8_t *p, size_t n)
{
    struct query *q = t->query;
    struct message_reply head;
    if (!message_is_reply(t->question + 2, t->len, p, n, &head))
        return;
    if (head.truncated && !t->tcp) {
        begin_tcp(t);
        return;
    }
    q->answered = true;
    q->over_tcp = t->tcp;
    q->head = head;
    answer_read(p, n, q->name, q->type, &q->answer);
    q->referred = q->want_referral && answer_referral(p, n, &q->referral);
    hang_up(t);
}

static void on_datagram(struct talk *t)
{
    uint8_t in[4096];
    ssize_t n = recv(t->fd, in, sizeof in, 0);
    /* ECONNREFUSED: nobody listens there just now; it is asked again until the time is over. */
    if (n > 0)
        take(t, in, (size_t)n);
}

static void on_stream(struct talk *t, bool writable)
{
    if (writable && t->sent < t->len + 2) {
        ssize_t n = send(t->fd, t->question + t->sent, t->len + 2 - t->sent, MSG_NOSIGNAL);
        if (n > 0)
            t->sent += (size_t)n;
        else if (errno != EAGAIN)
            hang_up(t);
        return;
    }
    ssize_t n = recv(t->fd, t->in + t->got, 2 + TCP_MAX - t->got, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        hang_up(t);
        return;
    }
    t->got += (size_t)n;
    size_t whole = t->got < 2 ? 0 : 2 + ((size_t)t->in[0] << 8 | t->in[1]);
    if (whole == 0 || t->got < whole)
        return;
    take(t, t->in + 2, whole - 2);
    hang_up(t);
}

static void turn(struct talk *talks, size_t count, int wait_ms, struct pollfd *polls)
{
    for (size_t i = 0; i < count; i++) {
        bool writing = talks[i].tcp && talks[i].sent < talks[i].len + 2;
        polls[i] = (struct pollfd){.fd = talks[i].fd, .events = writing ? POLLOUT : POLLIN};
    }
    if (poll(polls, count, wait_ms) <= 0)
        return;
    for (size_t i = 0; i < count; i++) {
        if (talks[i].fd < 0 || polls[i].revents == 0)
            continue;
        if (talks[i].tcp)
            on_stream(&talks[i], polls[i].revents & POLLOUT);
        else
            on_datagram(&talks[i]);
    }
}

/* True while somebody is talked to; asks again where it is time for it. */
static bool go_on(struct talk *talks, size_t count, int64_t now)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (talks[i].fd >= 0 && !talks[i].tcp && now >= talks[i].resend_ms)
            send_datagram(&talks[i], now);
        any = any || talks[i].fd >= 0;
    }
    return any;
}

bool query_all(struct query *list, size_t count, int timeout_ms, const volatile int *stop)
{
    int64_t now = clock_mono_ms(), end = now + timeout_ms;
    if (count == 0)
        return true;
    struct talk *talks = mem_alloc(count, sizeof *talks);
    struct pollfd *polls = mem_alloc(count, sizeof *polls);
    for (size_t i = 0; i < count; i++)
        begin(&talks[i], &list[i], now);
    bool stopped = false;
    while (!stopped && now < end && go_on(talks, count, now)) {
        turn(talks, count, end - now < STOP_POLL_MS ? (int)(end - now) : STOP_POLL_MS, polls);
        now = clock_mono_ms();
        stopped = stop && *stop;
    }
    for (size_t i = 0; i < count; i++)
        hang_up(&talks[i]);
    free(polls);
    free(talks);
    return !stopped;
}
