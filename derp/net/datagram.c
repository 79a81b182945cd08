/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/datagram.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define BATCH        32
#define DATAGRAM_MAX 1500
#define TURN_BATCHES 8 /* then other descriptors of the loop get their turn */

/* Room for either family's packet info, aligned as the kernel wants it. */
union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* One batch; it exists once per socket because answers reuse the control data of requests. */
struct batch {
    struct mmsghdr in[BATCH];
    struct mmsghdr out[BATCH];
    struct iovec in_part[BATCH];
    struct iovec out_part[BATCH];
    struct endpoint from[BATCH];
    union control control[BATCH];
    uint8_t request[BATCH][DATAGRAM_MAX];
    uint8_t answer[BATCH][DATAGRAM_ANSWER_MAX];
};

struct datagram {
    int fd;
    struct loop_io io;
    struct batch *batch;
    unsigned used; /* of the batch, by the last receive, with the one that it tried in vain */
    datagram_answer answer;
    void (*failed)(void *arg, unsigned n);
    void *arg;
};

static bool set_options(int fd, int family, struct fault *f)
{
    int one = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0)
        return fault_errno(f, "SO_REUSEPORT");
    if (family == AF_INET)
        return setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one) == 0 ||
               fault_errno(f, "IP_PKTINFO");
    if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) != 0)
        return fault_errno(f, "IPV6_V6ONLY");
    return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one) == 0 ||
           fault_errno(f, "IPV6_RECVPKTINFO");
}

struct datagram *datagram_open(struct endpoint *at, struct fault *f)
{
    char text[ENDPOINT_TEXT];
    int fd = socket(at->any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t n = sizeof *at;
    struct datagram *d;

    if (fd < 0) {
        fault_errno(f, "cannot make a UDP socket for %s", endpoint_print(at, text));
        return NULL;
    }
    if (!set_options(fd, at->any.sa_family, f)) {
        close(fd);
        return NULL;
    }
    if (bind(fd, &at->any, endpoint_len(at)) != 0 || getsockname(fd, &at->any, &n) != 0) {
        fault_errno(f, "cannot listen on %s/udp", endpoint_print(at, text));
        close(fd);
        return NULL;
    }
    d = mem_alloc(1, sizeof *d);
    d->fd = fd;
    return d;
}

static struct batch *batch_new(void)
{
    struct batch *b = mem_alloc(1, sizeof *b);

    for (int i = 0; i < BATCH; i++) {
        b->in_part[i] = (struct iovec){b->request[i], DATAGRAM_MAX};
        b->in[i].msg_hdr = (struct msghdr){
            .msg_name = &b->from[i],
            .msg_iov = &b->in_part[i],
            .msg_iovlen = 1,
            .msg_control = &b->control[i],
        };
    }
    return b;
}

/* Sizes that the last receive has written over. */
static void prepare(struct batch *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        b->in[i].msg_hdr.msg_namelen = sizeof b->from[i];
        b->in[i].msg_hdr.msg_controllen = sizeof b->control[i];
    }
}

/* The received packet info, turned into the one that makes the kernel answer from that address. */
static void answer_from_asked(struct msghdr *m)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);

    if (c != NULL && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo *info = (struct in_pktinfo *)(void *)CMSG_DATA(c);
        info->ipi_spec_dst = info->ipi_addr;
        info->ipi_ifindex = 0; /* the route decides the interface */
    } else if (c != NULL && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo *info = (struct in6_pktinfo *)(void *)CMSG_DATA(c);
        if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
            info->ipi6_ifindex = 0;
    } else {
        m->msg_controllen = 0;
    }
}

static unsigned make_answers(struct datagram *d, unsigned n)
{
    struct batch *b = d->batch;
    unsigned answers = 0;

    for (unsigned i = 0; i < n; i++) {
        struct msghdr *m = &b->in[i].msg_hdr;
        size_t len =
            d->answer(d->arg, b->request[i], m->msg_flags & MSG_TRUNC ? 0 : b->in[i].msg_len,
                      &b->from[i], b->answer[answers]);

        if (len == 0)
            continue;
        b->out_part[answers] = (struct iovec){b->answer[answers], len};
        b->out[answers].msg_hdr = *m;
        b->out[answers].msg_hdr.msg_iov = &b->out_part[answers];
        b->out[answers].msg_hdr.msg_flags = 0;
        answer_from_asked(&b->out[answers].msg_hdr);
        answers++;
    }
    return answers;
}

/* A datagram that cannot be sent (no route, no buffer) must not hold up those behind it. */
static void send_answers(struct datagram *d, unsigned n)
{
    unsigned failed = 0;

    for (unsigned done = 0; done < n;) {
        int sent = sendmmsg(d->fd, d->batch->out + done, n - done, MSG_NOSIGNAL);
        if (sent > 0) {
            done += (unsigned)sent;
        } else {
            done++;
            failed++;
        }
    }
    if (failed > 0 && d->failed != NULL)
        d->failed(d->arg, failed);
}

static void on_readable(void *arg, int events)
{
    struct datagram *d = arg;

    (void)events;
    for (int turn = 0; turn < TURN_BATCHES; turn++) {
        int n;

        prepare(d->batch, d->used);
        n = recvmmsg(d->fd, d->batch->in, BATCH, MSG_DONTWAIT, NULL);
        d->used = n < 0 ? 1 : n < BATCH ? (unsigned)n + 1 : BATCH;
        if (n <= 0)
            return; /* nothing left; an ICMP error of an earlier answer is read away this way too */
        send_answers(d, make_answers(d, (unsigned)n));
        if (n < BATCH)
            return;
    }
}

void datagram_start(struct datagram *d, struct loop *l, datagram_answer answer,
                    void (*failed)(void *arg, unsigned n), void *arg)
{
    d->batch = batch_new();
    d->used = BATCH;
    d->answer = answer;
    d->failed = failed;
    d->arg = arg;
    loop_io_init(&d->io, l, d->fd, on_readable, d);
    loop_io_rank(&d->io, LOOP_FIRST); /* clients choose their relay by how soon it answers */
    loop_io_want(&d->io, LOOP_READ);
}

void datagram_close(struct datagram *d)
{
    if (d == NULL)
        return;
    if (d->batch != NULL)
        loop_io_want(&d->io, 0);
    close(d->fd);
    free(d->batch);
    free(d);
}
