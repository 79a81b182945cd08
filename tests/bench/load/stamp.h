/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in a packet of the load: whose it is, when it was due, and bytes that can be checked.
 * Pure. */
#ifndef TESTS_BENCH_LOAD_STAMP_H
#define TESTS_BENCH_LOAD_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAMP_LEN 32 /* no packet is shorter */

struct stamp {
    uint32_t stream;
    uint64_t seq;    /* of the stream, from 0 */
    uint64_t due_ns; /* CLOCK_MONOTONIC */
    bool is_disco;   /* it looks like a packet of Tailscale's disco protocol */
};

/* Writes a packet of len bytes. */
void stamp_write(uint8_t *packet, size_t len, const struct stamp *s);

/* False when it is not one that was written so, byte for byte. */
bool stamp_read(const uint8_t *packet, size_t len, struct stamp *s);

#endif
