/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACME_DOWNLOAD_H
#define ACME_DOWNLOAD_H

#include <stdbool.h>

#include "acme/session.h"
#include "base/buf.h"

/*
 * Fetches the chain of an issued certificate (RFC 8555 7.4.2) and judges it for the key
 * (install_check): the CA's first chain, or one of those that it links to as alternates, when the
 * first does not verify here or does not lead to the preferred issuer. Without any that does, the
 * first good one is taken, with a warning. pem (initialised) gets it newly encoded.
 */
bool download_chain(struct session *s, const char *url, EVP_PKEY *key, struct buf *pem,
                    struct failure *fail);

#endif
