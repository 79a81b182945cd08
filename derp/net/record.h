/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record layer of TLS 1.3 after the handshake (RFC 8446 5), as a server needs it: application
 * data, alerts, KeyUpdate (4.6.3). OpenSSL makes the handshake and hands over the two traffic
 * secrets; what stays per connection are 300 bytes instead of 14 KiB, and a record is decrypted
 * straight into the caller's memory. The ciphers are OpenSSL's; nothing here is secret-dependent
 * but them. Pure: no system calls, no clock; all on one thread.
 */
#ifndef DERP_NET_RECORD_H
#define DERP_NET_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "derp/net/tls_io.h"

/* Ready cipher states, shared by the connections of one thread: those that are busy keep theirs,
 * an idle connection has nothing but its keys. */
struct record_pool;

struct record_pool *record_pool_new(void);

/* Every record made with it must be gone. NULL is allowed. */
void record_pool_free(struct record_pool *pool);

#define RECORD_SECRET_MAX 48
#define RECORD_KEY_LIFETIME                                                                        \
    (1 << 24) /* records under one key; RFC 8446 5.5: 2^24.5 for AES-GCM                           \
               */

struct record_secrets {
    uint16_t suite;                   /* TLS cipher suite, RFC 8446 B.4 */
    uint8_t read[RECORD_SECRET_MAX];  /* client_application_traffic_secret_0, RFC 8446 7.1 */
    uint8_t write[RECORD_SECRET_MAX]; /* server_application_traffic_secret_0 */
};

/* Bytes of a traffic secret of this cipher suite; 0: the suite is not known. */
size_t record_secret_size(uint16_t suite);

/* One connection's records, both ways. */
struct record;

/* Begins with sequence number 0 in both directions. The secrets are copied; the caller wipes its
 * own. NULL when the suite is not known or OpenSSL lacks it. Free with record_free. */
struct record *record_new(struct record_pool *pool, const struct record_secrets *secrets);

/* Wipes its keys. NULL is allowed. */
void record_free(struct record *r);

/*
 * Decrypts up to room bytes into plain, as tls_open. Input of an incomplete record is kept, at most
 * one record of it. A KeyUpdate that asks for ours is answered in io->out. What the peer may not
 * send ends with TLS_FAILED and a fatal alert in io->out (RFC 8446 6.2), as do more than 16 records
 * without data in a row, and more than 64 KeyUpdates with less than 16 KiB of data for each. A
 * failure stays; after TLS_CLOSED it must not be called again.
 */
enum tls_result record_open(struct record *r, struct tls_io *io, uint8_t *plain, size_t room,
                            size_t *n);

/* Encrypts n bytes (1..TLS_RECORD_MAX) as one record into io->out; plain[n] is overwritten. From
 * time to time a KeyUpdate that asks for nothing goes before it. TLS_OK or TLS_FAILED, which stays:
 * after a failure of either call nothing is sealed any more, not even close_notify. */
enum tls_result record_seal(struct record *r, struct tls_io *io, uint8_t *plain, size_t n);

/* Writes close_notify into io->out (RFC 8446 6.1). */
void record_close_notify(struct record *r, struct tls_io *io);

/* Why the last call failed, in words; "" when it did not. Static text. */
const char *record_reason(const struct record *r);

/* The suite's name, as "TLS_AES_128_GCM_SHA256". */
const char *record_suite_name(const struct record *r);

#endif
