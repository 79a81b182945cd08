/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stun-load ADDRESS:PORT RATE BURST SECONDS PID: binding requests at a rate, BURST of them at a
 * time, from several sockets, and what became of them, as JSON on standard output. PID is the
 * server's; its CPU time is told.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/net.h"
#include "derp/wire/stun.h"
#include "tests/bench/load/histogram.h"
#include "tests/bench/load/usage.h"

#define SOCKETS 8
#define BATCH   32
#define WARM_UP 500000000LL
#define DRAIN   500000000LL

struct load {
    int fds[SOCKETS];
    double rate;
    unsigned burst;
    int64_t start_ns, begin_ns, end_ns; /* the window that counts is from begin to end */
    uint64_t sent;                      /* since start; the n-th is due at start + n / rate */
    uint64_t requests, answers;
    struct histogram delay;
};

/* The transaction ID says which request it was. */
static void make_request(uint8_t out[static STUN_REQUEST_LEN], uint64_t number)
{
    uint8_t txid[STUN_TXID_LEN] = {0};

    memcpy(txid, &number, sizeof number);
    stun_write_request(out, txid);
}

static int64_t due_ns(const struct load *l, uint64_t number)
{
    return l->start_ns + (int64_t)((double)(number / l->burst * l->burst) * 1e9 / l->rate);
}

/* As many as are due, at most a batch. */
static void send_due(struct load *l, int64_t now)
{
    static uint8_t data[BATCH][STUN_REQUEST_LEN];
    struct iovec part[BATCH];
    struct mmsghdr m[BATCH] = {0};
    unsigned n = 0;

    while (n < BATCH && due_ns(l, l->sent + n) <= now) {
        make_request(data[n], l->sent + n);
        part[n] = (struct iovec){data[n], STUN_REQUEST_LEN};
        m[n].msg_hdr = (struct msghdr){.msg_iov = &part[n], .msg_iovlen = 1};
        n++;
    }
    if (n == 0)
        return;
    for (uint64_t i = l->sent; i < l->sent + n; i++)
        l->requests += due_ns(l, i) >= l->begin_ns && due_ns(l, i) < l->end_ns;
    if (sendmmsg(l->fds[l->sent / BATCH % SOCKETS], m, n, MSG_DONTWAIT) < 0)
        perror("stun-load: sendmmsg");
    l->sent += n;
}

static void take_answers(struct load *l, int fd, int64_t now)
{
    static uint8_t data[BATCH][256];
    struct iovec part[BATCH];
    struct mmsghdr m[BATCH] = {0};
    int n;

    for (int i = 0; i < BATCH; i++) {
        part[i] = (struct iovec){data[i], sizeof data[i]};
        m[i].msg_hdr = (struct msghdr){.msg_iov = &part[i], .msg_iovlen = 1};
    }
    n = recvmmsg(fd, m, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        struct endpoint mapped;
        uint64_t number;
        int64_t due;

        memcpy(&number, data[i] + 8, sizeof number);
        due = due_ns(l, number);
        if (!stun_read_response(data[i], m[i].msg_len, data[i] + 8, &mapped) || due < l->begin_ns ||
            due >= l->end_ns)
            continue;
        l->answers++;
        histogram_add(&l->delay, (uint64_t)(now - due) / 1000);
    }
}

static void run(struct load *l, pid_t server)
{
    int64_t cpu_from = 0, cpu_to = 0, now;
    struct pollfd polls[SOCKETS];

    for (int i = 0; i < SOCKETS; i++)
        polls[i] = (struct pollfd){.fd = l->fds[i], .events = POLLIN};
    while ((now = clock_mono_ns()) < l->end_ns + DRAIN) {
        if (cpu_from == 0 && now >= l->begin_ns)
            cpu_from = usage_cpu_ns(server);
        if (cpu_to == 0 && now >= l->end_ns)
            cpu_to = usage_cpu_ns(server);
        if (now < l->end_ns)
            send_due(l, now);
        if (poll(polls, SOCKETS, now < l->end_ns ? 0 : 1) <= 0)
            continue;
        now = clock_mono_ns();
        for (int i = 0; i < SOCKETS; i++)
            if (polls[i].revents != 0)
                take_answers(l, l->fds[i], now);
    }
    printf("{\"requests\": %llu, \"answers\": %llu, \"seconds\": %f, \"server_cpu\": %f, "
           "\"p99_ms\": %f}\n",
           (unsigned long long)l->requests, (unsigned long long)l->answers,
           (double)(l->end_ns - l->begin_ns) / 1e9, (double)(cpu_to - cpu_from) / 1e9,
           (double)histogram_quantile(&l->delay, .99) / 1e3);
}

int main(int argc, char **argv)
{
    static struct load l;
    struct endpoint to;

    if (argc != 6 || !endpoint_parse(argv[1], 0, &to) || atof(argv[2]) <= 0 || atoi(argv[3]) < 1) {
        fprintf(stderr, "usage: stun-load ADDRESS:PORT RATE BURST SECONDS PID\n");
        return 2;
    }
    for (int i = 0; i < SOCKETS; i++) {
        int room = 4 << 20;
        l.fds[i] = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (l.fds[i] < 0 || connect(l.fds[i], &to.any, endpoint_len(&to)) != 0) {
            perror("stun-load");
            return 1;
        }
        setsockopt(l.fds[i], SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    }
    l.rate = atof(argv[2]);
    l.burst = (unsigned)atoi(argv[3]);
    l.start_ns = clock_mono_ns();
    l.begin_ns = l.start_ns + WARM_UP;
    l.end_ns = l.begin_ns + (int64_t)(atof(argv[4]) * 1e9);
    run(&l, (pid_t)atoi(argv[5]));
    return 0;
}
