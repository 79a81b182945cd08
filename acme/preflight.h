/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACME_PREFLIGHT_H
#define ACME_PREFLIGHT_H

#include <stdbool.h>

#include "acme/session.h"
#include "base/finding.h"

/*
 * Looks where the CA will look, before a validation is spent: the DNS (addresses, CAA) and our own
 * port. A definite fault is a failure (FAILURE_PREFLIGHT), but see preflight_yields; what cannot be
 * told is a warning in the log. Made once a run. Takes 20 seconds at most.
 */
bool preflight(struct session *s, struct failure *fail);

/*
 * What we have seen of the DNS (fail) stops us no more, and is said in the log: three times in a
 * row it has, and in an emergency the CA has the last word. Our own view may be the wrong one: a
 * resolver on the way, name servers that refuse this address. Not for a first certificate: then the
 * name is most likely not set up yet, and each try would cost a validation.
 */
bool preflight_yields(const struct session *s, const struct failure *fail);

/* True for a finding that the CA would run into as well: not for those that only say that we
 * could not look. */
bool preflight_is_definite(const struct finding *one);

#endif
