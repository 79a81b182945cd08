/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor PORT STUN-PORT [cipher]: what any relay with one event loop pays, and nothing else. Each
 * packet costs an epoll_wait, a recv and a send (fewer when several come at once); there are no
 * keys, no frames, no queues, no checks, no counters and no timers. Clients are paired as they
 * come: the first with the second, the third with the fourth; what one of them sends goes to the
 * other. With "cipher" each record is opened, and what was received at once is sealed into one
 * (sealed.h). Binding requests on the UDP port are answered without a look at them.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/net.h"
#include "derp/wire/stun.h"
#include "tests/bench/floor/sealed.h"

#define CLIENTS  64
#define EVENTS   64
#define READ_MAX 65536
#define BATCH    32

struct client {
    int fd;
    size_t rest; /* bytes of a record that is not there whole */
    uint8_t part[SEALED_MAX];
};

static struct client clients[CLIENTS];
static unsigned client_count;
static int loop, listener, stun;
static bool has_cipher;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* --- Packets -------------------------------------------------------------------------------- */

static void send_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0)
            die("floor: send");
        p += sent;
        n -= (size_t)sent;
    }
}

/* Whole records of the input; what they hold goes out in as few as possible. */
static void reseal(struct client *from, int to, const uint8_t *in, size_t n)
{
    static uint8_t content[SEALED_CONTENT + SEALED_MAX], out[2 * READ_MAX];
    size_t filled = 0, sealed = 0;

    while (n >= SEALED_HEADER && sealed_size(in) <= n) {
        size_t got = sealed_read(in, content + filled);

        if (got == 0) {
            fprintf(stderr, "floor: a record does not open\n");
            exit(1);
        }
        n -= sealed_size(in);
        in += sealed_size(in);
        filled += got;
        if (n >= SEALED_HEADER && sealed_size(in) <= n &&
            filled + sealed_size(in) <= SEALED_CONTENT)
            continue;
        sealed_write(content, filled, out + sealed);
        sealed += filled + SEALED_EXTRA;
        filled = 0;
    }
    memcpy(from->part, in, n);
    from->rest = n;
    send_all(to, out, sealed);
}

static void relay(unsigned index)
{
    static uint8_t in[SEALED_MAX + READ_MAX];
    struct client *from = &clients[index], *to = &clients[index ^ 1];
    ssize_t n;

    memcpy(in, from->part, from->rest);
    n = recv(from->fd, in + from->rest, READ_MAX, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        exit(0); /* the load is over */
    if (has_cipher)
        reseal(from, to->fd, in, from->rest + (size_t)n);
    else
        send_all(to->fd, in, (size_t)n);
}

/* --- STUN ----------------------------------------------------------------------------------- */

static void answer(void)
{
    static struct mmsghdr in[BATCH], out[BATCH];
    static struct iovec in_part[BATCH], out_part[BATCH];
    static struct endpoint from[BATCH];
    static uint8_t requests[BATCH][1500], answers[BATCH][STUN_RESPONSE_MAX];
    static int used = BATCH;
    int n;

    for (int i = 0; i < used; i++) {
        in_part[i] = (struct iovec){requests[i], sizeof requests[i]};
        in[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                                        .msg_namelen = sizeof from[i],
                                        .msg_iov = &in_part[i],
                                        .msg_iovlen = 1};
    }
    n = recvmmsg(stun, in, BATCH, MSG_DONTWAIT, NULL);
    used = n > 0 ? n : 0;
    for (int i = 0; i < n; i++) {
        out_part[i] =
            (struct iovec){answers[i], stun_write_response(answers[i], requests[i] + 8, &from[i])};
        out[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                                         .msg_namelen = in[i].msg_hdr.msg_namelen,
                                         .msg_iov = &out_part[i],
                                         .msg_iovlen = 1};
    }
    if (n > 0)
        sendmmsg(stun, out, (unsigned)n, 0);
}

/* --- Loop ----------------------------------------------------------------------------------- */

enum { WHAT_LISTENER = CLIENTS, WHAT_STUN };

static void watch(int fd, uint32_t what)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = what};

    if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e) != 0)
        die("floor: epoll_ctl");
}

/* The second of a pair has come: both may send. */
static void accept_one(void)
{
    int fd = accept(listener, NULL, NULL), one = 1;

    if (fd < 0 || client_count == CLIENTS)
        die("floor: accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    clients[client_count++].fd = fd;
    if (client_count % 2 == 0) {
        watch(clients[client_count - 2].fd, client_count - 2);
        watch(clients[client_count - 1].fd, client_count - 1);
    }
}

static int bound_socket(int type, const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) != 0)
        die("floor: bind");
    return fd;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: floor PORT STUN-PORT [cipher]\n");
        return 2;
    }
    has_cipher = argc == 4;
    listener = bound_socket(SOCK_STREAM, argv[1]);
    stun = bound_socket(SOCK_DGRAM, argv[2]);
    loop = epoll_create1(EPOLL_CLOEXEC);
    if (!sealed_init() || loop < 0 || listen(listener, CLIENTS) != 0)
        die("floor");
    watch(listener, WHAT_LISTENER);
    watch(stun, WHAT_STUN);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event e[EVENTS];
        int n = epoll_wait(loop, e, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (e[i].data.u32 == WHAT_LISTENER)
                accept_one();
            else if (e[i].data.u32 == WHAT_STUN)
                answer();
            else
                relay(e[i].data.u32);
        }
    }
}
