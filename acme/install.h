/* SPDX-License-Identifier: Apache-2.0 */
/* From a downloaded chain to a certificate that the relay serves. */
#ifndef ACME_INSTALL_H
#define ACME_INSTALL_H

#include <stdbool.h>

#include "acme/generation.h"
#include "acme/session.h"
#include "base/buf.h"

/* Judges a chain (PEM) for a key and the configured domain: fits, verifies, leads to a public root
 * unless ca-file is set. Gives it back newly encoded in out when that is not NULL. */
bool install_check(const struct session *s, const struct buf *pem, EVP_PKEY *key, struct buf *out,
                   struct failure *fail);

/* PHASE_INSTALLING: makes the generation of the pending files and enters PHASE_PROVING. Pending
 * files that are gone or damaged lead back to PHASE_DOWNLOADING. */
bool install_pending(struct session *s, struct failure *fail);

/*
 * PHASE_PROVING: switches the link, waits until the relay serves the new leaf, and ends the order
 * (PHASE_IDLE). If the relay answers with anything else the link goes back to the previous
 * generation, where there is one, and PHASE_INSTALLING is due again. If nothing listens, the new
 * one stays with a warning.
 */
bool install_prove(struct session *s, struct failure *fail);

/* Mends a link that leads to nothing usable by the newest good generation; true when it did. What
 * the link leads to then is in *g. */
bool install_repair(struct session *s, struct generation *g);

#endif
