/* SPDX-License-Identifier: Apache-2.0 */
/* When memory goes back to the system: not after every long packet, but after a crowd has left. */
#ifndef DERP_OPS_MEMORY_H
#define DERP_OPS_MEMORY_H

#include <stdint.h>

#include "derp/net/loop.h"

/* Lets libc keep up to 4 MiB for each thread that are free at the end of its memory. By itself it
 * keeps 128 KiB: then a packet of 64 KiB costs 15 page faults. Call it before there are threads. */
void memory_keep(void);

/* Asks every half minute how many connections have ended so far; once 256 more have, free memory is
 * returned. One per process. */
void memory_watch(struct loop *l, uint64_t (*ended)(void *arg), void *arg);
void memory_watch_stop(void);

#endif
