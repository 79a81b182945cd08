/* SPDX-License-Identifier: Apache-2.0 */
/* Looks up host names as the system does (getaddrinfo), on a thread of its own, so that a slow name
 * server delays nobody but the one who asks. */
#ifndef DERP_NET_NAMES_H
#define DERP_NET_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/net.h"

#define NAMES_MAX 8 /* addresses of one answer */

struct names;

/*
 * Called on the lookup thread, or, for an address, within names_ask; count addresses with the port
 * that was given, in the system's order of preference (RFC 6724). None: problem says why, in words;
 * "" otherwise.
 */
typedef void (*names_done)(void *arg, const struct endpoint *list, size_t count,
                           const char *problem);

/* Starts the thread. Aborts when there can be none. */
struct names *names_new(void);

/* Asks for the addresses of a name, or an address itself. arg is memory from malloc that is
 * freed after done has returned, or without a call when names_free comes first. */
void names_ask(struct names *n, const char *host, uint16_t port, names_done done, void *arg);

/* done is not called any more. Does not wait for a lookup that is under way. */
void names_free(struct names *n);

#endif
