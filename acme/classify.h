/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: what kind of failure a CA's problem document means. */
#ifndef ACME_CLASSIFY_H
#define ACME_CLASSIFY_H

#include <stdbool.h>

#include "acme/failure.h"

/* The part of a problem type after "urn:ietf:params:acme:error:" (RFC 8555 6.7), else all of it. */
const char *classify_short(const char *type);

/* Where the problem stood: the same type means different things. */
enum classify_place {
    CLASSIFY_REQUEST,    /* the answer to a request of ours */
    CLASSIFY_VALIDATION, /* the error of a challenge, an authorization or an order */
};

/*
 * The class of a problem (RFC 8555 6.7). type may be "" or unknown, detail NULL; then the HTTP
 * status decides. Let's Encrypt tells a paused account by the words of detail only.
 */
enum failure_class classify_problem(enum classify_place place, const char *type, long status,
                                    const char *detail);

/*
 * After a newOrder with `replaces` (RFC 9773 5) failed: whether it is worth the same without. Any
 * refusal may be about it, whatever its type (alreadyReplaced, malformed, unauthorized, …), but
 * those that certainly are not, and answers that only ask to come later.
 */
bool classify_may_be_replaces(const struct failure *fail);

#endif
