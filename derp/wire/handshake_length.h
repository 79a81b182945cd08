/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the messages of a peer's TLS handshake claim to be, before anything is kept of them. TLS
 * libraries reserve what a header claims as soon as they have it: OpenSSL 131,396 bytes for a
 * ClientHello of which nothing else has come. Pure.
 */
#ifndef DERP_WIRE_HANDSHAKE_LENGTH_H
#define DERP_WIRE_HANDSHAKE_LENGTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A ClientHello has some hundred bytes, with post-quantum keys and a wrapped one inside some
 * thousand. */
#define HANDSHAKE_LENGTH_MAX 16384

/* Where in the stream of records (RFC 8446 5.1) and of messages in them (4) the next byte is. All 0
 * at the beginning. */
struct handshake_length {
    uint8_t record[5], message[4]; /* headers, as far as they have come */
    uint8_t record_n, message_n;
    uint16_t record_left;
    uint32_t message_left;
    bool is_hidden; /* after ChangeCipherSpec in TLS 1.2: what follows cannot be read */
};

/* Takes the next bytes of the client's stream; any cuts are legal. hides: with ChangeCipherSpec the
 * client begins to encrypt, as in TLS 1.2; in 1.3 it means nothing, and what is encrypted looks
 * like data. False: a message claims to be longer than HANDSHAKE_LENGTH_MAX. */
bool handshake_length_take(struct handshake_length *h, const uint8_t *p, size_t n, bool hides);

#endif
