/* SPDX-License-Identifier: Apache-2.0 */
/* A UDP socket that answers from the address that was asked (tailscale#21404), in batches. */
#ifndef DERP_NET_DATAGRAM_H
#define DERP_NET_DATAGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/net.h"
#include "derp/net/loop.h"

struct datagram;

#define DATAGRAM_ANSWER_MAX 128

/*
 * Judges one datagram of n bytes (n is 0 for one longer than 1500) and writes an answer of at most
 * DATAGRAM_ANSWER_MAX bytes; returns its size, 0 for silence.
 */
typedef size_t (*datagram_answer)(void *arg, const uint8_t *data, size_t n,
                                  const struct endpoint *from,
                                  uint8_t out[static DATAGRAM_ANSWER_MAX]);

/*
 * Binds at, with SO_REUSEPORT so that several workers share the address (the kernel spreads
 * clients over them). *at gets the real port when it was 0. NULL with a reason otherwise.
 */
struct datagram *datagram_open(struct endpoint *at, struct fault *f);

/* Serves it on a loop. failed (may be NULL) is told how many answers could not be sent. */
void datagram_start(struct datagram *d, struct loop *l, datagram_answer answer,
                    void (*failed)(void *arg, unsigned n), void *arg);

void datagram_close(struct datagram *d);

#endif
