/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records as a peer that has the keys could write them, and bytes that are none. The first two
 * bytes say how the stream is cut and how much room the reader has; then come pieces: kind, length,
 * bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "derp/net/record_cipher.h"

#define WIRE_MAX  (1 << 17)
#define PIECE_MAX 2048 /* a length is eight times its byte */

static uint8_t wire[WIRE_MAX], answers[TLS_OUT_ROOM], spare[TLS_SPARE_ROOM], plain[1 << 16];
static struct record_pool *pool;
static const struct record_suite *suite;
static struct record_direction client;

static void check(bool condition)
{
    if (!condition)
        abort();
}

/* A sealed record of this kind: bytes, then its kind. */
static size_t seal(uint8_t kind, const uint8_t *p, size_t n, uint8_t *out)
{
    uint8_t inner[PIECE_MAX + 1];
    size_t body = n + 1 + RECORD_TAG;

    memcpy(inner, p, n);
    inner[n] = kind;
    memcpy(out, (uint8_t[]){23, 3, 3, (uint8_t)(body >> 8), (uint8_t)body}, RECORD_HEADER);
    check(record_protect(pool, suite, &client, out, inner, n + 1, out + RECORD_HEADER));
    if (kind == 22 && n == 5 && memcmp(p, "\x18\0\0\1", 4) == 0 && p[4] <= 1)
        check(record_direction_update(pool, suite, &client));
    return RECORD_HEADER + body;
}

static size_t write_stream(const uint8_t *data, size_t n)
{
    size_t len = 0;

    while (n >= 2 && len + PIECE_MAX + 64 < WIRE_MAX) {
        uint8_t kind = data[0];
        size_t take = data[1] == 255 ? PIECE_MAX : data[1];

        data += 2;
        n -= 2;
        take = take < n ? take : n;
        if (kind == 255) { /* not sealed */
            memcpy(wire + len, data, take);
            len += take;
        } else {
            len += seal(kind, data, take, wire + len);
        }
        data += take;
        n -= take;
    }
    return len;
}

static void read_stream(struct record *r, size_t len, size_t step, size_t room)
{
    struct tls_io io = {.out = answers, .out_cap = sizeof answers, .spare = spare};

    for (size_t at = 0; at < len; at += io.in_len) {
        enum tls_result result;
        size_t n = step < len - at ? step : len - at, got = 0;

        io.in = wire + at;
        io.in_len = n;
        io.out_len = 0;
        while ((result = record_open(r, &io, plain, room, &got)) == TLS_OK)
            check(got > 0 && got <= room);
        if (result != TLS_AGAIN) {
            check(result == TLS_CLOSED || record_reason(r)[0] != '\0');
            return;
        }
        check(io.in_len == 0 && record_reason(r)[0] == '\0');
        io.in_len = n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct record_secrets secrets = {.suite = 0x1301, .read = "client", .write = "server"};
    struct record *r;

    if (n < 2)
        return 0;
    if (pool == NULL) {
        pool = record_pool_new();
        suite = record_suite_find(secrets.suite);
        client.seals = true;
    }
    r = record_new(pool, &secrets);
    check(r != NULL && record_direction_init(pool, suite, &client, secrets.read));
    read_stream(r, write_stream(data + 2, n - 2), data[0] + 1u, data[1] * 8u + 1);
    record_direction_wipe(pool, &client);
    client.seals = true;
    record_free(r);
    return 0;
}
