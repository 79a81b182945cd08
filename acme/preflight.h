/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACME_PREFLIGHT_H
#define ACME_PREFLIGHT_H

#include <stdbool.h>

#include "acme/session.h"
#include "base/finding.h"

/*
 * Looks where the CA will look, before a validation is spent: the DNS (addresses, CAA) and our own
 * port. A definite fault is a failure (FAILURE_PREFLIGHT); what cannot be told is a warning in the
 * log. Made once a run. Takes 20 seconds at most.
 */
bool preflight(struct session *s, struct failure *fail);

/* True for a finding that the CA would run into as well: not for those that only say that we
 * could not look. */
bool preflight_is_definite(const struct finding *one);

#endif
