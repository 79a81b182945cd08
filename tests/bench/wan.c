/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wan SPACE-A SPACE-B RATE QUEUE DELAY LOSS: a long line between two network namespaces, each of
 * which gets a TUN device "wan", until standard input ends. It stands for the internet between a
 * server (A) and its clients (B), for kernels without netem.
 *
 * From A to B: RATE bits a second, with a queue of QUEUE milliseconds whose end is dropped, and of
 * 10,000 packets LOSS are lost. DELAY milliseconds are spent on the way, half in each direction.
 */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 65536 /* packets on the way in one direction */
#define MTU   1600

struct slot {
    int64_t due_ns;
    uint16_t len;
    uint8_t data[MTU];
};

struct way {
    int from, to;
    struct slot *slots;
    uint32_t head, tail; /* tail - head are on the way */
    int64_t free_ns;     /* when the narrow link has sent all that is before it */
    double rate;         /* bits a second; 0: any */
    int64_t queue_ns, delay_ns;
    int loss;
};

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int open_device(const char *space)
{
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    char path[128];
    int fd, space_fd;

    snprintf(path, sizeof path, "/run/netns/%s", space);
    space_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (space_fd < 0 || setns(space_fd, CLONE_NEWNET) != 0)
        die(path);
    close(space_fd);
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    snprintf(r.ifr_name, sizeof r.ifr_name, "wan");
    if (fd < 0 || ioctl(fd, TUNSETIFF, &r) != 0)
        die("wan: TUN device");
    return fd;
}

/* A packet arrives at the queue of the narrow link, or is lost. */
static void take(struct way *w, const uint8_t *data, size_t n, int64_t now)
{
    struct slot *s = &w->slots[w->tail % SLOTS];

    if (w->free_ns < now)
        w->free_ns = now;
    if (w->tail - w->head == SLOTS || (w->rate > 0 && w->free_ns - now > w->queue_ns) ||
        rand() % 10000 < w->loss)
        return;
    if (w->rate > 0) /* 14: of Ethernet, which a TUN device does not have */
        w->free_ns += (int64_t)((double)(n + 14) * 8e9 / w->rate);
    s->due_ns = w->free_ns + w->delay_ns;
    s->len = (uint16_t)n;
    memcpy(s->data, data, n);
    w->tail++;
}

static void take_all(struct way *w)
{
    uint8_t data[MTU];
    ssize_t n;

    for (int i = 0; i < 64 && (n = read(w->from, data, sizeof data)) > 0; i++)
        take(w, data, (size_t)n, now_ns());
}

static int64_t deliver(struct way *w, int64_t now)
{
    while (w->head != w->tail && w->slots[w->head % SLOTS].due_ns <= now) {
        const struct slot *s = &w->slots[w->head++ % SLOTS];
        if (write(w->to, s->data, s->len) < 0)
            continue; /* its queue is full: lost */
    }
    return w->head == w->tail ? now + 100000000 : w->slots[w->head % SLOTS].due_ns;
}

static void run(struct way ways[2])
{
    struct pollfd polls[] = {{.fd = ways[0].from, .events = POLLIN},
                             {.fd = ways[1].from, .events = POLLIN},
                             {.fd = STDIN_FILENO, .events = POLLIN}};

    for (;;) {
        int64_t now = now_ns(), a = deliver(&ways[0], now), b = deliver(&ways[1], now);
        int64_t wait = (a < b ? a : b) - now;
        struct timespec t = {0, wait > 0 ? wait : 0};

        if (ppoll(polls, 3, &t, NULL) < 0 || polls[2].revents != 0)
            return;
        take_all(&ways[0]);
        take_all(&ways[1]);
    }
}

int main(int argc, char **argv)
{
    struct way ways[2] = {{0}, {0}};

    if (argc != 7) {
        fprintf(stderr, "usage: wan SPACE-A SPACE-B RATE QUEUE DELAY LOSS\n");
        return 2;
    }
    ways[0].from = ways[1].to = open_device(argv[1]);
    ways[0].to = ways[1].from = open_device(argv[2]);
    ways[0].rate = atof(argv[3]);
    ways[0].queue_ns = atoi(argv[4]) * 1000000LL;
    ways[0].delay_ns = ways[1].delay_ns = atoi(argv[5]) * 500000LL;
    ways[0].loss = atoi(argv[6]);
    for (int i = 0; i < 2; i++) {
        ways[i].slots = malloc(SLOTS * sizeof(struct slot));
        if (ways[i].slots == NULL)
            die("wan");
    }
    puts("ready");
    fflush(stdout);
    run(ways);
    return 0;
}
