/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records that look like those of TLS 1.3 and cost what those cost (AES-128-GCM through OpenSSL's
 * EVP), for a measurement: key and nonce are always the same, so nothing is secret here.
 */
#ifndef TESTS_BENCH_FLOOR_SEALED_H
#define TESTS_BENCH_FLOOR_SEALED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEALED_HEADER  5
#define SEALED_EXTRA   22    /* of a record: header, kind of content, tag */
#define SEALED_CONTENT 16384 /* the most that a record holds */
#define SEALED_MAX     (SEALED_CONTENT + SEALED_EXTRA)

/* To be called first. False: OpenSSL has no AES-128-GCM. */
bool sealed_init(void);

/* The record that begins with this header, all in all. */
size_t sealed_size(const uint8_t header[SEALED_HEADER]);

/* n bytes of content, at most SEALED_CONTENT, to n + SEALED_EXTRA bytes at out; content[n] is
 * overwritten. */
void sealed_write(uint8_t *content, size_t n, uint8_t *out);

/* A whole record; returns the size of its content, 0 when it does not open. One byte more is
 * written to out. */
size_t sealed_read(const uint8_t *record, uint8_t *out);

#endif
