/* SPDX-License-Identifier: Apache-2.0 */
/* What one run of derp-acme works with; passed to every step. */
#ifndef ACME_SESSION_H
#define ACME_SESSION_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "acme/authority.h"
#include "acme/client.h"
#include "acme/state.h"
#include "acme/store.h"
#include "base/config.h"

struct session {
    const struct config *config;
    const struct authority *ca; /* the CA that this run works with now */
    struct store store;
    struct state state;
    struct client client;
    EVP_PKEY *account_key;
    int64_t deadline_ms;  /* of this run (budget.h), clock_mono_ms */
    bool preflighted;     /* our own checks were made in this run */
    bool restarted;       /* an order that the CA no longer knows was given up once in this run */
    bool order_gone;      /* the CA has just said that it does not know the order's URL */
    bool remade;          /* a damaged generation was made again once in this run */
    bool changed;         /* the installed certificate is another than before */
    bool trial;           /* nothing of this session is kept (trial.h) */
    bool emergency;       /* a certificate is needed at once (facts.h), */
    bool renewing;        /* and there has been one here before */
    const char *replaces; /* certID of the certificate in use, NULL: none for an order to replace */
};

/* Turns to a CA: its client is open, and no account is known yet. */
bool session_use(struct session *s, const struct authority *ca, struct failure *fail);

/* Is the time of this run up? */
bool session_late(const struct session *s);

/* In an emergency, what has stopped us three times at this CA (SESSION_TRIES, failures of this
 * class) is not insisted on any more: what we believe may be what is wrong. */
#define SESSION_TRIES 3
bool session_desperate(const struct session *s, enum failure_class class);

/* Ends the conversation; everything else stays. */
void session_hang_up(struct session *s);

/* Writes the state; FAILURE_LOCAL when the disk refuses. */
bool session_save(struct session *s, struct failure *fail);

/* Enters a phase and writes it. */
bool session_enter(struct session *s, enum phase phase, struct failure *fail);

/* Gives the order up: state, pending key and challenge are gone. */
bool session_drop_order(struct session *s, struct failure *fail);

#endif
