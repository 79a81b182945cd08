/* SPDX-License-Identifier: Apache-2.0 */
/* A listening TCP socket. Running out of descriptors pauses it for a second instead of spinning. */
#ifndef DERP_NET_LISTENER_H
#define DERP_NET_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/net.h"
#include "derp/net/loop.h"

struct listener;

/* Binds and listens; *at gets the real port when it was 0. NULL with a reason otherwise. */
struct listener *listener_open(struct endpoint *at, struct fault *f);

/* Accepts on a loop; on_accept owns the descriptor (non-blocking, close-on-exec, TCP_NODELAY). */
void listener_start(struct listener *l, struct loop *loop,
                    void (*on_accept)(void *arg, int fd, const struct endpoint *peer), void *arg);

/* From now on at most per_second connections, burst of them at once; others are closed as soon as
 * they come. 0: all. Before or after listener_start. */
void listener_limit(struct listener *l, unsigned per_second, unsigned burst);
/* The TCP congestion control of connections accepted from now on; NULL: the one it had first.
 * False with a reason when the kernel does not have it, or not for us; nothing changes then. */
bool listener_congestion(struct listener *l, const char *name, struct fault *f);
/* How many were closed so. */
uint64_t listener_refused(const struct listener *l);

/* Stops accepting; connections already accepted live on. */
void listener_close(struct listener *l);

#endif
