/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define BACKLOG         1024
#define PAUSE_MS        1000
#define TURN_ACCEPTS    64    /* then other descriptors of the loop get their turn */
#define USER_TIMEOUT_MS 15000 /* derper's -tcp-user-timeout */
#define KEEPALIVE_S     600   /* derper's -tcp-keepalive-time */
#define NOTSENT_LOWAT   (64 * 1024)

struct listener {
    int fd;
    int reserve; /* given up to be able to close a connection when descriptors run out */
    struct loop_io io;
    struct loop_timer pause;
    bool started;
    unsigned per_second, burst; /* of new connections; 0: no limit */
    double tokens;
    int64_t filled_ms; /* when tokens was last added to */
    uint64_t refused;
    char congestion[NET_CONGESTION_MAX]; /* the system's */
    void (*on_accept)(void *arg, int fd, const struct endpoint *peer);
    void *arg;
};

struct listener *listener_open(struct endpoint *at, struct fault *f)
{
    char text[ENDPOINT_TEXT];
    int fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t n = sizeof *at;
    struct listener *l;
    int one = 1;

    if (fd < 0) {
        fault_errno(f, "cannot make a TCP socket for %s", endpoint_print(at, text));
        return NULL;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (at->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, &at->any, endpoint_len(at)) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, &at->any, &n) != 0) {
        fault_errno(f, "cannot listen on %s/tcp", endpoint_print(at, text));
        close(fd);
        return NULL;
    }
    l = mem_alloc(1, sizeof *l);
    l->fd = fd;
    l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    n = sizeof l->congestion - 1;
    getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, l->congestion, &n);
    return l;
}

/* Without this the connections that wait would keep the descriptor readable for ever. */
static void out_of_descriptors(struct listener *l)
{
    static struct log_kind kind;
    int fd;

    log_limited(&kind, LOG_LEVEL_ERROR,
                "out of file descriptors: new connections are refused for a second "
                "(raise LimitNOFILE= of the service)");
    if (l->reserve >= 0) {
        close(l->reserve);
        fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            close(fd);
        l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    loop_io_want(&l->io, 0);
    loop_timer_set(&l->pause, PAUSE_MS);
}

static void set_options(int fd)
{
    int one = 1, user_timeout = USER_TIMEOUT_MS, idle = KEEPALIVE_S, lowat = NOTSENT_LOWAT;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof user_timeout);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
}

void listener_limit(struct listener *l, unsigned per_second, unsigned burst)
{
    if (per_second != l->per_second || burst != l->burst)
        l->tokens = burst;
    l->per_second = per_second;
    l->burst = burst;
}

bool listener_congestion(struct listener *l, const char *name, struct fault *f)
{
    const char *wanted = name != NULL ? name : l->congestion;

    if (setsockopt(l->fd, IPPROTO_TCP, TCP_CONGESTION, wanted, (socklen_t)strlen(wanted)) == 0)
        return true;
    if (errno == EPERM)
        return fault_set(f,
                         "congestion = %s is not allowed to derpd; as root: sysctl -w "
                         "net.ipv4.tcp_allowed_congestion_control=\"reno cubic %s\"",
                         wanted, wanted);
    if (errno == ENOENT)
        return fault_set(f, "this kernel has no congestion control %s; as root: modprobe tcp_%s",
                         wanted, wanted);
    return fault_errno(f, "congestion = %s", wanted);
}

uint64_t listener_refused(const struct listener *l)
{
    return l->refused;
}

/* A token bucket. */
static bool may_come(struct listener *l)
{
    static struct log_kind kind;
    int64_t now = loop_now_ms(l->io.loop);

    if (l->per_second == 0)
        return true;
    l->tokens += (double)(now - l->filled_ms) * l->per_second / 1000;
    l->filled_ms = now;
    if (l->tokens > l->burst)
        l->tokens = l->burst;
    if (l->tokens >= 1) {
        l->tokens--;
        return true;
    }
    l->refused++;
    log_limited(&kind, LOG_LEVEL_WARNING,
                "more than %u connections a second: others are closed (accept-limit)",
                l->per_second);
    return false;
}

static void on_readable(void *arg, int events)
{
    struct listener *l = arg;

    (void)events;
    for (int i = 0; i < TURN_ACCEPTS; i++) {
        struct endpoint peer = {0};
        socklen_t n = sizeof peer;
        int fd = accept4(l->fd, &peer.any, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0 && !may_come(l)) {
            close(fd);
        } else if (fd >= 0) {
            set_options(fd);
            endpoint_unmap(&peer);
            l->on_accept(l->arg, fd, &peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            out_of_descriptors(l);
            return;
        } else if (errno == EAGAIN) {
            return;
        } /* otherwise that one connection failed before it was accepted */
    }
}

static void on_pause_over(void *arg)
{
    struct listener *l = arg;

    loop_io_want(&l->io, LOOP_READ);
}

void listener_start(struct listener *l, struct loop *loop,
                    void (*on_accept)(void *arg, int fd, const struct endpoint *peer), void *arg)
{
    l->on_accept = on_accept;
    l->arg = arg;
    l->started = true;
    loop_io_init(&l->io, loop, l->fd, on_readable, l);
    loop_timer_init(&l->pause, loop, on_pause_over, l);
    loop_io_want(&l->io, LOOP_READ);
}

void listener_close(struct listener *l)
{
    if (l == NULL)
        return;
    if (l->started) {
        loop_io_want(&l->io, 0);
        loop_timer_stop(&l->pause);
    }
    close(l->fd);
    if (l->reserve >= 0)
        close(l->reserve);
    free(l);
}
