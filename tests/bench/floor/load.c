/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-load ADDRESS:PORT SIZE PAIRS RATE BURST SHARE SECONDS PID: as many packets of SIZE bytes as
 * derp-load sends of them, in records of the same sizes, at the same times, through tests/bench/
 * floor/relay.c, and what became of them, as JSON on standard output. SHARE is "record" (a burst in
 * one), "write" or "nothing" (each packet in its own). PID is the relay's; its CPU time is told.
 */
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/net.h"
#include "tests/bench/floor/sealed.h"
#include "tests/bench/load/histogram.h"
#include "tests/bench/load/usage.h"

#define HEAD      37 /* of a frame: type, length, key */
#define PAIRS_MAX 32
#define EVENTS    64
#define READ_MAX  65536
#define WRITE_MAX 65536
#define TURN      32 /* bursts that are sent before what has come is looked at */
#define SETTLE    500000000LL
#define WARM_UP   1000000000LL
#define DRAIN     2000000000LL /* at most, for what is under way */

/* A pair: one end sends, at the other packets arrive in the same order. */
struct pair {
    int from, to;
    uint8_t header[SEALED_HEADER]; /* of the record that arrives now */
    size_t header_len, left; /* bytes of its header that are there, of its body that are not */
    unsigned frames;         /* that it holds */
    uint64_t arrived;        /* packets */
};

struct load {
    struct pair pairs[PAIRS_MAX];
    unsigned pair_count, burst;
    size_t frame;
    double rate;
    int64_t start_ns, begin_ns, end_ns; /* what is due from begin to end counts */
    uint64_t bursts;                    /* sent since start; pairs take turns */
    uint64_t due, received, counted;    /* counted: arrived from begin to end */
    uint8_t data[WRITE_MAX];            /* of a burst, the same each time */
    size_t data_len;
    struct histogram delay;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t due_ns(const struct load *l, uint64_t burst)
{
    return l->start_ns + (int64_t)((double)burst * l->burst * 1e9 / l->rate);
}

static bool in_window(const struct load *l, int64_t ns)
{
    return ns >= l->begin_ns && ns < l->end_ns;
}

/* At most some; true when there were any. */
static bool send_due(struct load *l, int64_t now)
{
    int i = 0;

    for (; i < TURN && due_ns(l, l->bursts) <= now && due_ns(l, l->bursts) < l->end_ns; i++) {
        int fd = l->pairs[l->bursts % l->pair_count].from;

        if (send(fd, l->data, l->data_len, MSG_NOSIGNAL) != (ssize_t)l->data_len)
            die("floor-load: send");
        if (in_window(l, due_ns(l, l->bursts)))
            l->due += l->burst;
        l->bursts++;
    }
    return i > 0;
}

static void arrive(struct load *l, struct pair *p, int64_t now)
{
    uint64_t number = p->arrived++ / l->burst * l->pair_count + (uint64_t)(p - l->pairs);
    int64_t due = due_ns(l, number);

    l->counted += in_window(l, now);
    if (!in_window(l, due))
        return;
    l->received++;
    histogram_add(&l->delay, (uint64_t)(now - due) / 1000);
}

/* Records, cut anywhere. */
static void take(struct load *l, struct pair *p, const uint8_t *data, size_t n, int64_t now)
{
    while (n > 0) {
        size_t part = p->left > 0 ? p->left : SEALED_HEADER - p->header_len;

        part = part < n ? part : n;
        if (p->left > 0) {
            p->left -= part;
        } else {
            memcpy(p->header + p->header_len, data, part);
            p->header_len += part;
        }
        data += part;
        n -= part;
        if (p->header_len == SEALED_HEADER && p->left == 0 && p->frames == 0) {
            p->left = sealed_size(p->header) - SEALED_HEADER;
            p->frames = (unsigned)(p->left / l->frame);
        } else if (p->header_len == SEALED_HEADER && p->left == 0) {
            for (; p->frames > 0; p->frames--)
                arrive(l, p, now);
            p->header_len = 0;
        }
    }
}

static bool receive(struct load *l, int loop)
{
    static uint8_t data[READ_MAX];
    struct epoll_event e[EVENTS];
    int count = epoll_wait(loop, e, EVENTS, 0);

    for (int i = 0; i < count; i++) {
        struct pair *p = e[i].data.ptr;
        ssize_t n = recv(p->to, data, sizeof data, MSG_DONTWAIT);

        if (n <= 0)
            die("floor-load: recv");
        take(l, p, data, (size_t)n, clock_mono_ns());
    }
    return count > 0;
}

/* All that was due has been sent, and has come. */
static bool is_complete(const struct load *l)
{
    return due_ns(l, l->bursts) >= l->end_ns && l->received == l->due;
}

/* What was due and could not be sent is lost. */
static void give_up(struct load *l)
{
    for (; due_ns(l, l->bursts) < l->end_ns; l->bursts++)
        l->due += in_window(l, due_ns(l, l->bursts)) ? l->burst : 0;
}

static void run(struct load *l, int loop, pid_t server)
{
    int64_t cpu_from = 0, cpu_to = 0, busy = 0, now, before;
    bool worked = false;

    l->start_ns = before = clock_mono_ns() + SETTLE;
    l->begin_ns = l->start_ns + WARM_UP;
    l->end_ns += l->begin_ns;
    while ((now = clock_mono_ns()) < l->end_ns || (now < l->end_ns + DRAIN && !is_complete(l))) {
        if (worked && in_window(l, now))
            busy += now - before;
        before = now;
        if (cpu_from == 0 && now >= l->begin_ns)
            cpu_from = usage_cpu_ns(server);
        if (cpu_to == 0 && now >= l->end_ns)
            cpu_to = usage_cpu_ns(server);
        worked = send_due(l, now);
        worked |= receive(l, loop);
    }
    if (cpu_to == 0)
        cpu_to = usage_cpu_ns(server);
    give_up(l);
    printf("{\"due\": %llu, \"received\": %llu, \"arrived\": %llu, \"seconds\": %f, "
           "\"server_cpu\": %f, \"busy\": %f, \"p50_ms\": %f, \"p99_ms\": %f}\n",
           (unsigned long long)l->due, (unsigned long long)l->received,
           (unsigned long long)l->counted, (double)(l->end_ns - l->begin_ns) / 1e9,
           (double)(cpu_to - cpu_from) / 1e9, (double)busy / (double)(l->end_ns - l->begin_ns),
           (double)histogram_quantile(&l->delay, .5) / 1e3,
           (double)histogram_quantile(&l->delay, .99) / 1e3);
}

static int client(const struct endpoint *to)
{
    int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0 || connect(fd, &to->any, endpoint_len(to)) != 0)
        die("floor-load: connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void connect_pairs(struct load *l, const struct endpoint *to, int loop)
{
    for (unsigned i = 0; i < l->pair_count; i++) {
        struct pair *p = &l->pairs[i];
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};

        p->from = client(to);
        p->to = client(to);
        if (epoll_ctl(loop, EPOLL_CTL_ADD, p->to, &e) != 0)
            die("floor-load: epoll_ctl");
    }
}

static void make_burst(struct load *l, bool in_one_record)
{
    static uint8_t content[SEALED_MAX];
    unsigned records = in_one_record ? 1 : l->burst;
    size_t each = l->frame * (in_one_record ? l->burst : 1);

    if (each > SEALED_CONTENT || (each + SEALED_EXTRA) * records > sizeof l->data) {
        fprintf(stderr, "floor-load: SIZE and BURST are too large\n");
        exit(2);
    }
    for (size_t i = 0; i < each; i++)
        content[i] = (uint8_t)(i * 167 ^ i >> 8);
    for (unsigned i = 0; i < records; i++) {
        sealed_write(content, each, l->data + l->data_len);
        l->data_len += each + SEALED_EXTRA;
    }
}

int main(int argc, char **argv)
{
    static struct load l;
    struct endpoint to;
    int loop = epoll_create1(EPOLL_CLOEXEC);

    if (argc != 9 || !endpoint_parse(argv[1], 0, &to) || atoi(argv[2]) < 1 || atoi(argv[3]) < 1 ||
        atoi(argv[3]) > PAIRS_MAX || atof(argv[4]) <= 0 || atoi(argv[5]) < 1) {
        fprintf(stderr, "usage: floor-load ADDRESS:PORT SIZE PAIRS RATE BURST SHARE SECONDS PID\n");
        return 2;
    }
    if (loop < 0 || !sealed_init())
        die("floor-load");
    l.frame = HEAD + (size_t)atoi(argv[2]);
    l.pair_count = (unsigned)atoi(argv[3]);
    l.rate = atof(argv[4]);
    l.burst = (unsigned)atoi(argv[5]);
    make_burst(&l, strcmp(argv[6], "record") == 0);
    l.end_ns = (int64_t)(atof(argv[7]) * 1e9);
    connect_pairs(&l, &to, loop);
    run(&l, loop, (pid_t)atoi(argv[8]));
    return 0;
}
