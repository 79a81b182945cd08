/* SPDX-License-Identifier: Apache-2.0 */
/* Gives memory back to the system after a crowd has left; libc alone would keep it. */
#ifndef DERP_OPS_MEMORY_H
#define DERP_OPS_MEMORY_H

#include <stdint.h>

#include "derp/net/loop.h"

/* Asks every half minute how many connections have ended so far; once 256 more have, free memory is
 * returned. One per process. */
void memory_watch(struct loop *l, uint64_t (*ended)(void *arg), void *arg);
void memory_watch_stop(void);

#endif
