/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: the CAs that the config names, and what belongs to each of them. */
#ifndef ACME_AUTHORITY_H
#define ACME_AUTHORITY_H

#include <stddef.h>

#include "base/config.h"

#define AUTHORITY_MAX 2

/* Strings are borrowed from the config; NULL: not set. */
struct authority {
    const char *directory;                 /* the ACME directory's URL */
    const char *ca_file;                   /* trust for its HTTPS; NULL: the system's CAs */
    const char *eab_key_id, *eab_key_file; /* external account binding, both or none */
    const char *profile;
    const char *preferred_chain; /* common name of a CA in the chain that is wanted */
};

/* Fills the list, the CA that is asked first first; returns how many there are (at least one). */
size_t authority_list(const struct config *config, struct authority list[AUTHORITY_MAX]);

/* The one with this directory, NULL: the config does not name it (any more). */
const struct authority *authority_find(const struct authority *list, size_t count,
                                       const char *directory);

/* Where a CA can be tried without spending its limits: as configured, or the known place of Let's
 * Encrypt; directory NULL when there is none. */
struct authority authority_staging(const struct config *config);

#endif
