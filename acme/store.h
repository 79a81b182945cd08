/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything derp-acme keeps, below one folder (dir in [certificate]); the only writer is the
 * process that holds the lock.
 *
 *   lock                          held while anything may be written
 *   order.json         0640       where the order stands, failures, next try (state.h)
 *   order.json.copy    0640       the same, should order.json be damaged
 *   account/           0700       a folder for each CA (account_store.h)
 *   pending/           0700       privkey.pem and fullchain.pem of the order under way, 0600
 *   challenge/         0750       DOMAIN.pem, http-01.TOKEN 0640: a validation is pending
 *   gen-N/             0750       generations (generation.h)
 *   current -> gen-N              the one in use
 *   metrics.prom       0640       numbers for Prometheus, read by derpd (report.h)
 *
 * Modes count from the umask 0027 that main() sets, and no folder is ever chmod'ed: the package
 * makes the upper folder setgid, so that derpd's group comes down by itself.
 */
#ifndef ACME_STORE_H
#define ACME_STORE_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "acme/state.h"
#include "base/buf.h"
#include "base/fault.h"

struct store {
    char *dir;
    int lock; /* -1: not held, reading only */
};

/*
 * Takes the lock, makes missing folders, removes temporary files that a crash left. *busy tells
 * "another derp-acme is at work" from other failures. Close with store_close in any case.
 */
bool store_open(struct store *s, const char *dir, bool *busy, struct fault *f);

/* When the lock was taken last, by the wall clock; 0: not known. */
time_t store_locked_at(const struct store *s);

/* For status: no lock, nothing made. */
void store_peek(struct store *s, const char *dir);
void store_close(struct store *s);

/* dir + "/" + name; free(). */
char *store_path(const struct store *s, const char *name);

/* mkdir with the mode, the umask counting; an existing folder is success. */
bool store_mkdir(const struct store *s, const char *name, unsigned mode, struct fault *f);

/* Removes temporary files that a crash left in a folder below dir. */
void store_sweep(const struct store *s, const char *name);

/*
 * Reads order.json into an empty state. A missing file gives an empty state; a damaged one is
 * put aside as order.json.bad (when the lock is held), and its copy counts, with a warning in the
 * log; without a copy the state is empty. With the lock held one that cannot be read counts as
 * damaged. false for a file of a later version, and without the lock for one that cannot be read.
 */
bool store_load_state(const struct store *s, struct state *state, struct fault *f);
bool store_save_state(const struct store *s, const struct state *state, struct fault *f);

/* The numbers that derpd shows; text is Prometheus'. */
bool store_save_metrics(const struct store *s, const struct buf *text, struct fault *f);

/* The order's certificate key: a new one that replaces what was pending / the stored one, NULL
 * when it is missing or damaged. */
EVP_PKEY *store_new_pending_key(const struct store *s, struct fault *f);
EVP_PKEY *store_pending_key(const struct store *s, struct fault *f);

/* The downloaded chain, PEM. */
bool store_save_pending_chain(const struct store *s, const struct buf *pem, struct fault *f);
bool store_load_pending_chain(const struct store *s, struct buf *pem, struct fault *f);

/* Removes key and chain of the order under way. */
void store_clear_pending(const struct store *s);

/* Puts a file for derpd into the challenge folder / takes all of them back. */
bool store_put_challenge(const struct store *s, const char *file, const struct buf *content,
                         struct fault *f);
void store_clear_challenges(const struct store *s);

#endif
