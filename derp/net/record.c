/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "derp/net/record_cipher.h"

#define BODY_MAX    (TLS_RECORD_MAX + 256) /* RFC 8446 5.2 */
#define USELESS_MAX 16                     /* in a row, as Go's TLS, and so derper */

/* KeyUpdates cost 100 times what a small record does, so a peer may not send one with each byte: it
 * may save up 64 of them, and 16 KiB of data earn another. Real ones come after 2^24 records. */
#define UPDATES_MAX      64
#define UPDATE_DATA_SIZE 16384

/* RFC 8446 B.1, B.2, B.3 */
enum content_type { CONTENT_ALERT = 21, CONTENT_HANDSHAKE = 22, CONTENT_DATA = 23 };
enum alert {
    ALERT_CLOSE_NOTIFY = 0,
    ALERT_UNEXPECTED_MESSAGE = 10,
    ALERT_BAD_RECORD_MAC = 20,
    ALERT_RECORD_OVERFLOW = 22,
    ALERT_ILLEGAL_PARAMETER = 47,
    ALERT_DECODE_ERROR = 50,
    ALERT_INTERNAL_ERROR = 80,
    ALERT_USER_CANCELED = 90,
};
#define ALERT_WARNING  1
#define ALERT_FATAL    2
#define KEY_UPDATE     24
#define KEY_UPDATE_LEN 5 /* type, three bytes of length, request_update */

struct record {
    struct record_pool *pool;
    const struct record_suite *suite;
    struct record_direction read, write;
    struct buf partial;     /* the beginning of a record that is not there whole */
    const uint8_t *pending; /* data that the caller had no room for, in its spare memory */
    size_t pending_len;
    const char *reason;
    uint8_t handshake[KEY_UPDATE_LEN]; /* a message that comes in pieces */
    uint8_t handshake_len;
    uint8_t useless;      /* records without data since the last data */
    uint8_t updates_left; /* KeyUpdates that may still come */
    bool failed;          /* for good: reason stays, nothing more is sealed */
    uint32_t earned;      /* data towards another of them */
};

size_t record_secret_size(uint16_t id)
{
    const struct record_suite *suite = record_suite_find(id);

    return suite == NULL ? 0 : suite->secret;
}

struct record *record_new(struct record_pool *pool, const struct record_secrets *secrets)
{
    const struct record_suite *suite = record_suite_find(secrets->suite);
    struct record *r;

    if (suite == NULL)
        return NULL;
    r = mem_alloc(1, sizeof *r);
    r->pool = pool;
    r->suite = suite;
    r->reason = "";
    r->write.seals = true;
    r->updates_left = UPDATES_MAX;
    buf_init(&r->partial, RECORD_HEADER + BODY_MAX);
    if (record_direction_init(pool, suite, &r->read, secrets->read) &&
        record_direction_init(pool, suite, &r->write, secrets->write))
        return r;
    record_free(r);
    return NULL;
}

void record_free(struct record *r)
{
    if (r == NULL)
        return;
    record_direction_wipe(r->pool, &r->read);
    record_direction_wipe(r->pool, &r->write);
    buf_free(&r->partial);
    free(r);
}

const char *record_reason(const struct record *r)
{
    return r->reason;
}

const char *record_suite_name(const struct record *r)
{
    return r->suite->name;
}

/* --- Out ------------------------------------------------------------------------------------ */

/* One record into io->out; p[n] is overwritten. */
static bool write_record(struct record *r, struct tls_io *io, enum content_type type, uint8_t *p,
                         size_t n)
{
    uint8_t *header = io->out + io->out_len;
    size_t body = n + 1 + RECORD_TAG;

    if (io->out_cap - io->out_len < RECORD_HEADER + body)
        return false;
    header[0] = CONTENT_DATA;
    header[1] = 3;
    header[2] = 3;
    header[3] = (uint8_t)(body >> 8);
    header[4] = (uint8_t)body;
    p[n] = (uint8_t)type;
    if (!record_protect(r->pool, r->suite, &r->write, header, p, n + 1, header + RECORD_HEADER))
        return false;
    io->out_len += RECORD_HEADER + body;
    return true;
}

static bool write_alert(struct record *r, struct tls_io *io, uint8_t level, enum alert what)
{
    uint8_t p[3] = {level, (uint8_t)what};

    return write_record(r, io, CONTENT_ALERT, p, 2);
}

static enum tls_result fail(struct record *r, struct tls_io *io, enum alert what,
                            const char *reason)
{
    r->reason = reason;
    r->failed = true;
    write_alert(r, io, ALERT_FATAL, what);
    return TLS_FAILED;
}

/* Changes our key. It never asks for the peer's: a Go client that writes while it reads may block
 * on the answer. */
static bool write_key_update(struct record *r, struct tls_io *io)
{
    uint8_t p[KEY_UPDATE_LEN + 1] = {KEY_UPDATE, 0, 0, 1, 0};
    struct record_direction next;
    bool told;

    /* First the key, then the word: what was said cannot be taken back. */
    if (!record_direction_next(r->pool, r->suite, &r->write, &next))
        return false;
    told = write_record(r, io, CONTENT_HANDSHAKE, p, KEY_UPDATE_LEN);
    if (told)
        record_direction_replace(r->pool, &r->write, &next);
    mem_wipe(&next, sizeof next);
    return told;
}

enum tls_result record_seal(struct record *r, struct tls_io *io, uint8_t *plain, size_t n)
{
    if (r->failed)
        return TLS_FAILED;
    r->reason = "";
    if ((r->write.count < RECORD_KEY_LIFETIME || write_key_update(r, io)) &&
        write_record(r, io, CONTENT_DATA, plain, n))
        return TLS_OK;
    r->failed = true;
    r->reason = "TLS write: encryption failed";
    return TLS_FAILED;
}

void record_close_notify(struct record *r, struct tls_io *io)
{
    if (!r->failed)
        write_alert(r, io, ALERT_WARNING, ALERT_CLOSE_NOTIFY);
}

/* --- In ------------------------------------------------------------------------------------- */

/* Bytes of the record that begins with this header, all in all; 0: there is no such record. */
static size_t record_length(const uint8_t *header)
{
    size_t body = (size_t)header[3] << 8 | header[4];

    return header[0] != CONTENT_DATA || body > BODY_MAX || body <= RECORD_TAG
               ? 0
               : RECORD_HEADER + body;
}

static enum tls_result refuse_header(struct record *r, struct tls_io *io, const uint8_t *header)
{
    if (header[0] != CONTENT_DATA)
        return fail(r, io, ALERT_UNEXPECTED_MESSAGE, "TLS read: a record that is not encrypted");
    if (((size_t)header[3] << 8 | header[4]) > BODY_MAX)
        return fail(r, io, ALERT_RECORD_OVERFLOW, "TLS read: a record is too long");
    return fail(r, io, ALERT_UNEXPECTED_MESSAGE, "TLS read: a record is too short");
}

/* Adds to the incomplete record until it has n bytes; false when the input ends before. */
static bool complete(struct record *r, struct tls_io *io, size_t n)
{
    size_t missing = n > r->partial.len ? n - r->partial.len : 0;
    size_t take = missing < io->in_len ? missing : io->in_len;

    if (take > 0) /* an idle connection owns no buffer */
        buf_append(&r->partial, io->in, take);
    io->in += take;
    io->in_len -= take;
    return take == missing;
}

/* The next whole record, in the input or in r->partial. */
static enum tls_result next_record(struct record *r, struct tls_io *io, const uint8_t **p,
                                   size_t *len)
{
    if (r->partial.len == 0 && io->in_len >= RECORD_HEADER) {
        *len = record_length(io->in);
        if (*len == 0)
            return refuse_header(r, io, io->in);
        if (*len <= io->in_len) {
            *p = io->in;
            io->in += *len;
            io->in_len -= *len;
            return TLS_OK;
        }
    }
    if (!complete(r, io, RECORD_HEADER))
        return TLS_AGAIN;
    *len = record_length(r->partial.data);
    if (*len == 0)
        return refuse_header(r, io, r->partial.data);
    if (!complete(r, io, *len))
        return TLS_AGAIN;
    *p = r->partial.data;
    return TLS_OK;
}

static enum tls_result take_alert(struct record *r, struct tls_io *io, const uint8_t *p, size_t n)
{
    if (n != 2)
        return fail(r, io, ALERT_DECODE_ERROR, "TLS read: a broken alert");
    if (p[1] == ALERT_CLOSE_NOTIFY)
        return TLS_CLOSED;
    if (p[1] == ALERT_USER_CANCELED)
        return TLS_AGAIN;
    r->reason = "TLS read: the peer sent a fatal alert";
    r->failed = true;
    return TLS_FAILED;
}

static enum tls_result take_key_update(struct record *r, struct tls_io *io, uint8_t request)
{
    struct record_direction next;

    if (request > 1)
        return fail(r, io, ALERT_ILLEGAL_PARAMETER, "TLS read: a broken KeyUpdate");
    if (r->updates_left == 0)
        return fail(r, io, ALERT_UNEXPECTED_MESSAGE, "TLS read: too many KeyUpdates");
    r->updates_left--;
    if (!record_direction_next(r->pool, r->suite, &r->read, &next))
        return fail(r, io, ALERT_INTERNAL_ERROR, "TLS read: no new key");
    record_direction_replace(r->pool, &r->read, &next);
    if (request == 1 && !write_key_update(r, io))
        return fail(r, io, ALERT_INTERNAL_ERROR, "TLS read: no new key to answer with");
    return TLS_AGAIN;
}

/* KeyUpdate, maybe in pieces: nothing else may come, and nothing after it in its record. */
static enum tls_result take_handshake(struct record *r, struct tls_io *io, const uint8_t *p,
                                      size_t n)
{
    static const uint8_t begin[] = {KEY_UPDATE, 0, 0, 1};
    uint8_t *m = r->handshake;

    if (n == 0 || n > KEY_UPDATE_LEN - (size_t)r->handshake_len)
        return fail(r, io, ALERT_UNEXPECTED_MESSAGE, "TLS read: not a KeyUpdate alone");
    memcpy(m + r->handshake_len, p, n);
    r->handshake_len = (uint8_t)(r->handshake_len + n);
    if (memcmp(m, begin, r->handshake_len < sizeof begin ? r->handshake_len : sizeof begin) != 0)
        return fail(r, io, ALERT_UNEXPECTED_MESSAGE, "TLS read: not a KeyUpdate");
    if (r->handshake_len < KEY_UPDATE_LEN)
        return TLS_AGAIN;
    r->handshake_len = 0;
    return take_key_update(r, io, m[KEY_UPDATE_LEN - 1]);
}

static enum tls_result give_pending(struct record *r, uint8_t *plain, size_t room, size_t *n)
{
    *n = room < r->pending_len ? room : r->pending_len;
    memcpy(plain, r->pending, *n);
    r->pending += *n;
    r->pending_len -= *n;
    return TLS_OK;
}

static void count_data(struct record *r, size_t n)
{
    r->useless = 0;
    r->earned += (uint32_t)n;
    if (r->earned >= UPDATE_DATA_SIZE) {
        r->earned = 0;
        if (r->updates_left < UPDATES_MAX)
            r->updates_left++;
    }
}

/* An alert after which nothing comes. */
static bool is_last(enum content_type type, const uint8_t *p, size_t n)
{
    return type == CONTENT_ALERT && !(n == 2 && p[1] == ALERT_USER_CANCELED);
}

/* What an opened record says, n bytes of content. TLS_AGAIN: nothing for the caller yet. */
static enum tls_result take_content(struct record *r, struct tls_io *io, enum content_type type,
                                    const uint8_t *p, size_t n)
{
    if (n > TLS_RECORD_MAX)
        return fail(r, io, ALERT_RECORD_OVERFLOW, "TLS read: a record is too long");
    if (type != CONTENT_HANDSHAKE && r->handshake_len > 0)
        return fail(r, io, ALERT_UNEXPECTED_MESSAGE, "TLS read: a record inside a message");
    if (type == CONTENT_DATA && n > 0) {
        count_data(r, n);
        return TLS_OK;
    }
    if (r->useless == USELESS_MAX && !is_last(type, p, n))
        return fail(r, io, ALERT_UNEXPECTED_MESSAGE, "TLS read: too many records without data");
    r->useless++;
    switch (type) {
    case CONTENT_DATA:
        return TLS_AGAIN;
    case CONTENT_ALERT:
        return take_alert(r, io, p, n);
    case CONTENT_HANDSHAKE:
        return take_handshake(r, io, p, n);
    }
    return fail(r, io, ALERT_UNEXPECTED_MESSAGE, "TLS read: an unknown kind of record");
}

/* Opens one whole record, into plain if it fits there. */
static enum tls_result open_record(struct record *r, struct tls_io *io, const uint8_t *p,
                                   size_t len, uint8_t *plain, size_t room, size_t *n)
{
    size_t body = len - RECORD_HEADER, inner = body - RECORD_TAG;
    bool fits = inner <= room;
    uint8_t *out = fits ? plain : io->spare;
    enum tls_result result;

    if (!record_unprotect(r->pool, r->suite, &r->read, p, p + RECORD_HEADER, body, out))
        return fail(r, io, ALERT_BAD_RECORD_MAC, "TLS read: a record cannot be decrypted");
    while (inner > 0 && out[inner - 1] == 0)
        inner--;
    if (inner == 0)
        return fail(r, io, ALERT_UNEXPECTED_MESSAGE, "TLS read: a record without a kind");
    inner--;
    result = take_content(r, io, out[inner], out, inner);
    if (result != TLS_OK)
        return result;
    if (fits) {
        *n = inner;
        return TLS_OK;
    }
    r->pending = out;
    r->pending_len = inner;
    return give_pending(r, plain, room, n);
}

enum tls_result record_open(struct record *r, struct tls_io *io, uint8_t *plain, size_t room,
                            size_t *n)
{
    enum tls_result result;
    const uint8_t *p = NULL;
    size_t len = 0;

    if (r->failed)
        return TLS_FAILED;
    r->reason = "";
    if (r->pending_len > 0)
        return give_pending(r, plain, room, n);
    do {
        result = next_record(r, io, &p, &len);
        if (result != TLS_OK)
            return result;
        result = open_record(r, io, p, len, plain, room, n);
        if (p == r->partial.data)
            buf_free(&r->partial);
    } while (result == TLS_AGAIN);
    return result;
}
