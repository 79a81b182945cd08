/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server sends to a client: login, then frames. The first byte chooses: 'f' a fast start
 * (no HTTP answer), 'o' an open connection (frames only), anything else a login by HTTP.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "derp/client/events.h"
#include "derp/client/handshake.h"

static struct keypair client;
static struct keypair server;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    uint8_t seed[KEY_LEN];

    (void)argc;
    (void)argv;
    if (sodium_init() < 0)
        abort();
    memset(seed, 0x11, sizeof(seed));
    keypair_from_seed(seed, &client);
    memset(seed, 0x22, sizeof(seed));
    keypair_from_seed(seed, &server);
    return 0;
}

static void on_packet(void *owner, const struct node_key *src, const uint8_t *data, size_t len)
{
    volatile uint8_t last;

    (void)owner;
    (void)src;
    if (len > 0)
        last = data[len - 1];
    (void)last;
}

static void on_health(void *owner, const char *problem)
{
    (void)owner;
    if (strlen(problem) > 4096)
        abort();
}

static void read_frames(const uint8_t *data, size_t n)
{
    const struct derp_client_events events = {.on_packet = on_packet, .on_health = on_health};
    struct frame frame;
    struct buf out;
    size_t used;

    buf_init(&out, 1024);
    while (frame_decode(data, n, &frame, &used, NULL) == FRAME_OK) {
        derp_client_dispatch(&frame, &events, NULL, &out);
        data += used;
        n -= used;
    }
    if (out.len > out.max)
        abort();
    buf_free(&out);
}

/* Feeds in two pieces and at once: both must end alike. */
static enum handshake_result log_in(const uint8_t *data, size_t n, size_t first, bool fast,
                                    size_t *total)
{
    static const uint8_t nonce[24];
    const struct client_info info = {.version = 2};
    enum handshake_result result = HANDSHAKE_MORE;
    struct handshake h;
    struct buf out;
    size_t used;
    size_t want;

    buf_init(&out, 4096);
    if (!handshake_start(&h, "h", &client, &info, fast ? &server.public_key : NULL, nonce, &out))
        abort();
    *total = 0;
    if (first < n)
        result = handshake_feed(&h, data, first, total, &want, &out, NULL);
    if (result == HANDSHAKE_MORE) {
        result = handshake_feed(&h, data + *total, n - *total, &used, &want, &out, NULL);
        *total += used;
    }
    if (*total > n || (result == HANDSHAKE_DONE) != (h.step == HANDSHAKE_OVER))
        abort();
    buf_free(&out);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    size_t total;
    size_t total_pieces;

    if (n > 0 && data[0] == 'o') {
        read_frames(data + 1, n - 1);
        return 0;
    }
    bool fast = n > 0 && data[0] == 'f';
    data += fast;
    n -= fast;
    enum handshake_result result = log_in(data, n, n, fast, &total);
    if (log_in(data, n, n / 2, fast, &total_pieces) != result ||
        (result == HANDSHAKE_DONE && total != total_pieces))
        abort();
    if (result == HANDSHAKE_DONE)
        read_frames(data + total, n - total);
    return 0;
}
