/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <unistd.h>

#include "base/clock.h"
#include "derp/client/probe.h"
#include "derp/wire/stun.h"

#define STUN_RESEND_MS 300
#define SLICE_MS       50 /* how often the stop flag is looked at */

struct ask {
    int fd;
    uint8_t txid[STUN_TXID_LEN];
    uint8_t request[STUN_REQUEST_LEN];
    int64_t sent_ns;
};

/* A connected socket: the kernel drops what comes from other addresses, and tells refusals. */
static int open_socket(const struct endpoint *server, struct fault *f)
{
    char text[ENDPOINT_TEXT];
    int fd = socket(server->any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        fault_errno(f, "no UDP socket");
        return -1;
    }
    if (connect(fd, &server->any, endpoint_len(server)) == 0)
        return fd;
    fault_errno(f, "no way to %s by UDP", endpoint_print(server, text));
    close(fd);
    return -1;
}

/* Reads what has come. 1: an answer, 0: none yet, -1: refused. */
static int take_answer(struct ask *a, struct endpoint *mapped)
{
    uint8_t data[STUN_REQUEST_MAX];
    ssize_t n;

    while ((n = recv(a->fd, data, sizeof(data), 0)) >= 0)
        if (stun_read_response(data, (size_t)n, a->txid, mapped))
            return 1;
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

/* Asks until an answer is here, the time is over (0) or it is refused (-1). */
static int ask_until(struct ask *a, int64_t until_ms, const volatile int *stop,
                     struct endpoint *mapped)
{
    int64_t resend_ms = 0;
    int64_t now_ms;
    int got = 0;

    while (got == 0 && (now_ms = clock_mono_ms()) < until_ms && !(stop && *stop)) {
        struct pollfd p = {.fd = a->fd, .events = POLLIN};

        if (now_ms >= resend_ms) {
            a->sent_ns = clock_mono_ns();
            if (send(a->fd, a->request, sizeof(a->request), 0) < 0 && errno != EAGAIN)
                return -1;
            resend_ms = now_ms + STUN_RESEND_MS;
        }
        if (poll(&p, 1, until_ms - now_ms < SLICE_MS ? (int)(until_ms - now_ms) : SLICE_MS) > 0)
            got = take_answer(a, mapped);
    }
    return got;
}

bool stun_probe(const struct endpoint *server, int timeout_ms, const volatile int *stop,
                struct endpoint *mapped, int64_t *rtt_us, struct fault *f)
{
    struct ask a = {.fd = open_socket(server, f)};
    char text[ENDPOINT_TEXT];
    int got;

    if (a.fd < 0)
        return false;
    randombytes_buf(a.txid, sizeof(a.txid));
    stun_write_request(a.request, a.txid);
    endpoint_print(server, text);
    got = ask_until(&a, clock_mono_ms() + timeout_ms, stop, mapped);
    if (got > 0 && rtt_us)
        *rtt_us = (clock_mono_ns() - a.sent_ns) / 1000;
    if (got < 0)
        fault_errno(f, "STUN at %s", text);
    close(a.fd);
    if (got > 0)
        return true;
    if (got == 0 && stop && *stop)
        return fault_set(f, "interrupted");
    if (got == 0)
        fault_set(f, "STUN at %s did not answer within %d ms", text, timeout_ms);
    return false;
}
