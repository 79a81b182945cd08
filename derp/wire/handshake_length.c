/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/handshake_length.h"

#include <string.h>

#define CHANGE_CIPHER_SPEC 20
#define HANDSHAKE          22

/* Moves up to `wanted` bytes of a header, of which *have are there; how many. */
static size_t fill(uint8_t *header, uint8_t *have, size_t wanted, const uint8_t *p, size_t n)
{
    size_t missing = wanted - *have;

    n = n < missing ? n : missing;
    memcpy(header + *have, p, n);
    *have += (uint8_t)n;
    return n;
}

/* Of messages, n bytes that are all in one record. */
static bool take_messages(struct handshake_length *h, const uint8_t *p, size_t n)
{
    while (n > 0) {
        size_t used;

        if (h->message_left > 0) {
            used = n < h->message_left ? n : h->message_left;
            h->message_left -= (uint32_t)used;
        } else {
            used = fill(h->message, &h->message_n, sizeof h->message, p, n);
        }
        p += used;
        n -= used;
        if (h->message_n < sizeof h->message)
            continue;
        h->message_n = 0;
        h->message_left =
            (uint32_t)h->message[1] << 16 | (uint32_t)h->message[2] << 8 | h->message[3];
        if (h->message_left > HANDSHAKE_LENGTH_MAX)
            return false;
    }
    return true;
}

bool handshake_length_take(struct handshake_length *h, const uint8_t *p, size_t n, bool hides)
{
    while (n > 0 && !h->is_hidden) {
        size_t used;

        if (h->record_left == 0) {
            used = fill(h->record, &h->record_n, sizeof h->record, p, n);
            if (h->record_n == sizeof h->record) {
                h->record_n = 0;
                h->record_left = (uint16_t)(h->record[3] << 8 | h->record[4]);
            }
        } else {
            used = n < h->record_left ? n : h->record_left;
            if (h->record[0] == HANDSHAKE && !take_messages(h, p, used))
                return false;
            h->is_hidden = h->record[0] == CHANGE_CIPHER_SPEC && hides;
            h->record_left -= (uint16_t)used;
        }
        p += used;
        n -= used;
    }
    return true;
}
