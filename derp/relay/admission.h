/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use the relay. A thread of its own asks the sources (tailscaled, URLs, key files), so
 * that a slow one delays only the client that waits for it. One source that admits is enough; a
 * source that cannot be asked admits nobody, unless fail-open says so, and throws nobody out.
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
#define ADMISSION_REASON     120

struct admission;

/* Why a key is asked about. */
enum admission_why {
    ADMISSION_LOGIN,
    /* It is logged in, and asked about now and then. No is believed when it is said twice, a
     * while apart: a tailscaled that is just starting knows nobody yet. */
    ADMISSION_PATROL,
    /* It is logged in, and the sources have changed or could not be asked at its login. */
    ADMISSION_CHANGED,
};

struct admission_answer {
    enum admission_why why;
    enum admission_verdict verdict;
    bool is_admitted;              /* the verdict, with fail-open applied */
    char reason[ADMISSION_REASON]; /* which source, or why unsure */
};

struct admission_events {
    /* The answer to a question. Those who are logged in are asked about until it is yes or no. On
     * the admission thread, or within admission_ask when too many logins wait already. */
    void (*on_answer)(void *arg, handle_t who, const struct admission_answer *a);
    /* Is the connection still there? Nobody else is asked about. On the admission thread. */
    bool (*is_alive)(void *arg, handle_t who);
    /* The sources or the refused apps have changed: ask again about everyone who is logged in. On
     * the admission thread. */
    void (*on_changed)(void *arg);
    void *arg;
};

/* Can the config's key files be read? For derpd --check. */
bool admission_check(const struct config *c, struct fault *f);

/* Starts the thread. False with a reason when a key file cannot be read at start. */
struct admission *admission_new(const struct config *c, const struct admission_events *events,
                                struct fault *f);

/* Other sources and refused apps from now on; the cache is emptied and on_changed called. On
 * failure the old ones stay. */
bool admission_configure(struct admission *a, const struct config *c, struct fault *f);

/* True when everybody is admitted: then nothing needs to be asked. */
bool admission_is_open(struct admission *a);

/* Is this app refused (refuse-apps), whoever uses it? name: "" for none. Any thread. */
bool admission_refuses_app(struct admission *a, const char *name);

/* Asks about a key. At a login on_answer follows within ADMISSION_TIMEOUT_MS and a moment. Who is
 * logged in is asked about once at a time for each reason; that bounds what waits. Any thread. */
void admission_ask(struct admission *a, handle_t who, const struct node_key *key,
                   const struct endpoint *from, enum admission_why why);

/* Questions about clients that are logged in which wait for an answer of the sources. */
size_t admission_waiting(struct admission *a);

/* Ends the thread; on_answer is not called any more. */
void admission_free(struct admission *a);

#endif
