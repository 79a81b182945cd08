/* SPDX-License-Identifier: Apache-2.0 */
/* What goes into and comes out of one call of TLS: shared by tls.h and its record layer. */
#ifndef DERP_NET_TLS_IO_H
#define DERP_NET_TLS_IO_H

#include <stddef.h>
#include <stdint.h>

enum tls_result {
    TLS_OK,     /* done, or bytes were produced */
    TLS_AGAIN,  /* more ciphertext is needed; the given input was taken over whole */
    TLS_CLOSED, /* the peer sent close_notify */
    TLS_FAILED, /* protocol error; tls_reason says which. An alert may stand in the output */
};

#define TLS_RECORD_MAX 16384                   /* plaintext of one record */
#define TLS_OUT_ROOM   (TLS_RECORD_MAX + 8192) /* room for one record or one handshake flight */
#define TLS_SPARE_ROOM (TLS_RECORD_MAX + 256)  /* what a record's ciphertext may decrypt to */

/* Ciphertext of one call: input is consumed from the front, output appended at the end. */
struct tls_io {
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t out_len;
    size_t out_cap; /* at least TLS_OUT_ROOM more than out_len before every call */
    uint8_t *spare; /* TLS_SPARE_ROOM bytes for tls_open alone: what the caller had no room for
                       stands there until the next call of it */
};

#endif
