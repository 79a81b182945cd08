/* SPDX-License-Identifier: Apache-2.0 */
/* STUN binding as Tailscale's clients speak it (RFC 8489; tailscale net/stun). Pure. */
#ifndef DERP_WIRE_STUN_H
#define DERP_WIRE_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"

#define STUN_TXID_LEN     12
#define STUN_REQUEST_MAX  1500 /* longer requests are not read */
#define STUN_REQUEST_LEN  40   /* what stun_write_request makes */
#define STUN_RESPONSE_MAX 44

enum stun_verdict {
    STUN_REQUEST,          /* a Tailscale client's binding request: answer it */
    STUN_NOT_STUN,         /* no magic cookie, too short */
    STUN_NOT_BINDING,      /* another message type */
    STUN_MALFORMED,        /* an attribute exceeds the message */
    STUN_WRONG_SOFTWARE,   /* no SOFTWARE "tailnode" */
    STUN_WRONG_FINGERPRINT /* missing, not last, or wrong */
};

/* Judges n bytes; on STUN_REQUEST txid is filled. Never answers anything else: an open responder
 * would be an amplifier. */
enum stun_verdict stun_read_request(const uint8_t *p, size_t n, uint8_t txid[static STUN_TXID_LEN]);

/* Short stable name for metrics ("ok", "not_stun", …). */
const char *stun_verdict_name(enum stun_verdict v);

/* A success response with one XOR-MAPPED-ADDRESS (v4-mapped as IPv4); returns its size. */
size_t stun_write_response(uint8_t out[static STUN_RESPONSE_MAX],
                           const uint8_t txid[static STUN_TXID_LEN], const struct endpoint *from);

/* Client side: a request with SOFTWARE and FINGERPRINT; and the mapped address of a response. */
void stun_write_request(uint8_t out[static STUN_REQUEST_LEN],
                        const uint8_t txid[static STUN_TXID_LEN]);
bool stun_read_response(const uint8_t *p, size_t n, const uint8_t txid[static STUN_TXID_LEN],
                        struct endpoint *mapped);

#endif
