/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACME_AUTHORIZE_H
#define ACME_AUTHORIZE_H

#include <stdbool.h>

#include "acme/session.h"

/*
 * Brings one authorization (RFC 8555 7.5) to its end: publishes the answer to the challenge
 * of the configured type (publish.h), tells the CA, waits, takes the answer back. An authorization
 * that is valid already costs nothing. A failed validation is in fail in the CA's words, and the
 * order is given up; when the CA or the network do not answer, the challenge stays published, for
 * the CA may still come.
 */
bool authorize(struct session *s, const char *url, struct failure *fail);

#endif
