/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that tell which they are. Pure. */
#ifndef TESTS_MODEL_PAYLOAD_H
#define TESTS_MODEL_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes the n bytes of packet number seq; has_magic: as a disco packet begins. */
void payload_make(uint8_t *out, size_t n, uint32_t seq, bool has_magic);

/* Is this, byte for byte, packet number seq? */
bool payload_is(const uint8_t *p, size_t n, uint32_t seq, bool has_magic);

/* The number that a packet carries; false for packets that are too short to carry one. */
bool payload_seq(const uint8_t *p, size_t n, uint32_t *seq);

#endif
