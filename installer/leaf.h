/* SPDX-License-Identifier: Apache-2.0 */
/* The relay's certificate as it lies on the disk. */
#ifndef INSTALLER_LEAF_H
#define INSTALLER_LEAF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/config.h"
#include "base/fault.h"

struct leaf {
    bool for_domain; /* names the domain that was asked about */
    time_t not_before;
    time_t not_after;
    uint8_t sha256[32]; /* of its DER */
    char issuer[128];   /* printable */
};

/* Judges the first certificate of a PEM text. Pure. */
bool leaf_parse(const char *pem, size_t n, const char *domain, struct leaf *leaf, struct fault *f);

/*
 * The leaf that derpd should serve under this config: of the link `current` or of the chain file.
 * false: there is none (yet), or it cannot be read.
 */
bool leaf_load(const struct config *c, struct leaf *leaf, struct fault *f);

/* With a certificate of the relay's own: the next one, when it is there already. */
bool leaf_load_next(const struct config *c, struct leaf *leaf);

/* For the domain, valid now, and not yet due for renewal (a third of its lifetime left). */
bool leaf_is_good(const struct leaf *leaf, time_t now);

/* Whole days until not_after, negative when it has passed. */
long leaf_days(const struct leaf *leaf, time_t now);

#endif
