/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificate generations: folders gen-1, gen-2, … with fullchain.pem and privkey.pem (0640), and
 * the link `current`, which derpd follows and watches. A generation is whole before it has its
 * name, and the link changes by one rename.
 */
#ifndef ACME_GENERATION_H
#define ACME_GENERATION_H

#include <stdbool.h>
#include <stddef.h>

#include "acme/chain.h"
#include "acme/store.h"
#include "base/buf.h"
#include "base/fault.h"

#define GENERATION_KEEP    3
#define GENERATION_LINK    "current"
#define GENERATION_CERT_ID 256

/* What stands in a generation, judged. */
struct generation {
    unsigned number;
    bool usable; /* whole; key, leaf and domain fit, signatures hold (dates are not judged) */
    struct chain_facts facts;         /* valid when usable, otherwise all 0 */
    char cert_id[GENERATION_CERT_ID]; /* the same (ari.h); "": it has none */
    struct fault why;                 /* why it is not usable */
};

/* The generation that `current` points to, 0: none, or the link leads elsewhere. */
unsigned generation_current(const struct store *s);

/* Reads and judges a generation for the domain. */
void generation_read(const struct store *s, unsigned number, const char *domain,
                     struct generation *g);

/* The leaf of a generation as PEM chain text; false when it cannot be read. */
bool generation_chain(const struct store *s, unsigned number, struct chain *c);

/* The private key of a generation; EVP_PKEY_free. NULL with a reason. */
EVP_PKEY *generation_key(const struct store *s, unsigned number, struct fault *f);

/* Makes the next generation of a chain and a key, both PEM, and makes it durable. */
bool generation_create(const struct store *s, const struct buf *chain, const struct buf *key,
                       unsigned *number, struct fault *f);

/* Points `current` at a generation. */
bool generation_switch(const struct store *s, unsigned number, struct fault *f);

/* The newest usable, unexpired generation at time now, 0: none. */
unsigned generation_best(const struct store *s, const char *domain, time_t now);

/* Removes a generation / all but the newest GENERATION_KEEP and the current one, and what
 * crashes have left. */
void generation_remove(const struct store *s, unsigned number);
void generation_prune(const struct store *s);

#endif
