/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use the relay. A thread of its own asks the sources (tailscaled, URLs, key files), so
 * that a slow one delays only the client that waits for it. One source that admits is enough; a
 * source that cannot be asked admits nobody, unless fail-open says so.
 */
#ifndef DERP_RELAY_ADMISSION_H
#define DERP_RELAY_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"
#include "base/fault.h"
#include "derp/relay/admission_source.h"
#include "derp/relay/handle.h"

#define ADMISSION_TIMEOUT_MS 5000 /* derper's, for each source */

struct admission;

struct admission_events {
    /* The verdict on a question (fail-open applied); reason: which source, or why unsure. On the
     * admission thread. */
    void (*on_verdict)(void *arg, handle_t who, bool is_recheck, enum admission_verdict v,
                       const char *reason);
    /* Sources have changed: ask again about everyone who is logged in. On any thread. */
    void (*on_changed)(void *arg);
    void *arg;
};

/* Can the config's key files be read? For derpd --check. */
bool admission_check(const struct config *c, struct fault *f);

/* Starts the thread. False with a reason when a key file cannot be read at start. */
struct admission *admission_new(const struct config *c, const struct admission_events *events,
                                struct fault *f);

/* Other sources from now on; the cache is emptied and on_changed called. On failure the old ones
 * stay. */
bool admission_configure(struct admission *a, const struct config *c, struct fault *f);

/* True when everybody is admitted: then nothing needs to be asked. */
bool admission_is_open(struct admission *a);

/* Asks about a key; on_verdict follows, within ADMISSION_TIMEOUT_MS and a moment. A recheck passes
 * the cache by. */
void admission_ask(struct admission *a, handle_t who, const struct node_key *key,
                   const struct endpoint *from, bool is_recheck);

/* Ends the thread; on_verdict is not called any more. */
void admission_free(struct admission *a);

#endif
