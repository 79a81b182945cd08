/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at the relay's own port as a client does: who answers, with which certificate. */
#ifndef ACME_PROBE_H
#define ACME_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "acme/chain.h"
#include "acme/session.h"

enum probe_self {
    PROBE_OURS,    /* derpd: it serves a generation of ours, or answers as a relay does */
    PROBE_FOREIGN, /* something else took the connection */
    PROBE_UNKNOWN, /* nothing listens, or no answer in time */
};

/* Tries the addresses of `listen` in turn; text (cap bytes) says what was met unless it is ours. */
enum probe_self probe_self(const struct session *s, char *text, size_t cap);

/* Does an address that is on no interface of ours lead to our relay all the same (a floating or
 * translated address, a TCP load balancer)? It does when the very certificate of our own port is
 * served there, on the same port. */
bool probe_leads_here(const struct config *config, const struct endpoint *address);

enum probe_served {
    PROBE_SAME,   /* the wanted leaf is served */
    PROBE_OTHER,  /* another one, or no TLS */
    PROBE_NOBODY, /* nothing listens on any address */
};

/* Whether the leaf with this fingerprint is served now; text says what is instead, and where. seen
 * (NULL: not wanted) gets the facts of the leaf that was met last, all 0 when there was none. */
enum probe_served probe_served(const struct config *config, const char *fingerprint, char *text,
                               size_t cap, struct chain_facts *seen);

/* The same, asked again and again until it is PROBE_SAME; PROBE_OTHER is final after ten seconds
 * and PROBE_NOBODY after less than one. */
enum probe_served probe_wait(const struct config *config, const char *fingerprint, char *text,
                             size_t cap);

#endif
