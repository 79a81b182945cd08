/* SPDX-License-Identifier: Apache-2.0 */
/* The program that puts a TXT record into the DNS for dns-01, and takes it away again. */
#ifndef ACME_HOOK_H
#define ACME_HOOK_H

#include <stdbool.h>

#include "base/fault.h"

#define HOOK_TIMEOUT_MS 120000

enum hook_verb { HOOK_PRESENT, HOOK_CLEANUP };

/* May this program, which the key of [acme] names, be started? false with a reason: it is not
 * there, or others than its owner may change it. */
bool hook_may_run(const char *key, const char *program, struct fault *f);

/*
 * Runs "PROGRAM present|cleanup NAME VALUE" without a shell: NAME is "_acme-challenge.DOMAIN"
 * without a dot at the end, VALUE 43 characters of base64url. It must end with exit code 0 within
 * HOOK_TIMEOUT_MS; otherwise what it wrote is logged. false with a reason; hook_may_run holds.
 */
bool hook_run(const char *program, enum hook_verb verb, const char *name, const char *value,
              struct fault *f);

#endif
