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
#define PIECE_MAX 16900 /* more than a record may have */

static uint8_t wire[WIRE_MAX], answers[TLS_OUT_ROOM], spare[TLS_SPARE_ROOM];
static uint8_t sent[WIRE_MAX]; /* data, in order; up to the first record that is not to be opened */
static size_t sent_len;
static bool sent_more; /* after it */
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
    static uint8_t inner[PIECE_MAX + 1];
    struct record_direction next;
    size_t body = n + 1 + RECORD_TAG;

    memcpy(inner, p, n);
    inner[n] = kind;
    memcpy(out, (uint8_t[]){23, 3, 3, (uint8_t)(body >> 8), (uint8_t)body}, RECORD_HEADER);
    check(record_protect(pool, suite, &client, out, inner, n + 1, out + RECORD_HEADER));
    if (kind == 22 && n == 5 && memcmp(p, "\x18\0\0\1", 4) == 0 && p[4] <= 1) {
        check(record_direction_next(pool, suite, &client, &next));
        record_direction_replace(pool, &client, &next);
    } else if (kind == 23 && n <= TLS_RECORD_MAX && !sent_more) {
        memcpy(sent + sent_len, p, n);
        sent_len += n;
    } else {
        sent_more = true;
    }
    return RECORD_HEADER + body;
}

/* Data are one byte, told by the next, 66 times as many as the length says. */
static size_t seal_data(const uint8_t *p, size_t n, uint8_t length, uint8_t *out)
{
    static uint8_t data[PIECE_MAX];
    size_t len = (size_t)length * 66;

    memset(data, n > 0 ? p[0] : 0, len);
    return seal(23, data, len, out);
}

static size_t write_stream(const uint8_t *data, size_t n)
{
    size_t len = 0;

    sent_len = 0;
    sent_more = false;
    while (n >= 2 && len + PIECE_MAX + 64 < WIRE_MAX) {
        uint8_t kind = data[0], length = data[1];
        size_t take = kind == 23 ? 1 : length;

        data += 2;
        n -= 2;
        take = take < n ? take : n;
        if (kind == 255) { /* not sealed */
            memcpy(wire + len, data, take);
            len += take;
            sent_more = true;
        } else if (kind == 23) {
            len += seal_data(data, take, length, wire + len);
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
    uint8_t *plain = malloc(room);
    enum tls_result result = TLS_AGAIN;
    size_t got = 0;

    for (size_t at = 0; at < len && result == TLS_AGAIN; at += step) {
        size_t n = 0;

        io.in = wire + at;
        io.in_len = step < len - at ? step : len - at;
        io.out_len = 0;
        while ((result = record_open(r, &io, plain, room, &n)) == TLS_OK) {
            check(n > 0 && n <= room);
            if (got < sent_len)
                check(n <= sent_len - got && memcmp(plain, sent + got, n) == 0);
            else
                check(sent_more);
            got += n;
        }
        check(result != TLS_AGAIN || (io.in_len == 0 && record_reason(r)[0] == '\0'));
        check(result != TLS_FAILED || record_reason(r)[0] != '\0');
    }
    free(plain);
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
    read_stream(r, write_stream(data + 2, n - 2), data[0] + 1u, data[1] * 70u + 1);
    record_direction_wipe(pool, &client);
    client.seals = true;
    record_free(r);
    return 0;
}
