/* SPDX-License-Identifier: Apache-2.0 */
/* A relay without a domain whose address the CA gives no certificate for: it gets one of its own.
 */
#ifndef INSTALLER_FALLBACK_H
#define INSTALLER_FALLBACK_H

#include <stdbool.h>

#include "installer/setup.h"

/* Does the CA refuse what is asked for, so that asking again is of no use? type: of its problem
 * document (RFC 8555 6.7), without the prefix. Pure. */
bool fallback_is_refusal(const char *type);

/*
 * After the CA gave none: true when the relay served a certificate of its own for this name until
 * this run, or when its name is an address that the CA refuses, it has no certificate of a CA, and
 * nobody insists on one.
 */
bool fallback_is_due(struct setup *s);

/*
 * Goes (back) to a certificate of its own: config, service, timer. EXIT_DONE with the finding
 * certificate.self-signed (warn); EXIT_CERTIFICATE when the CA's was asked for by a flag.
 */
enum setup_exit fallback_run(struct setup *s);

#endif
