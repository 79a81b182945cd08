/* SPDX-License-Identifier: Apache-2.0 */
/* Asks servers directly, many at once: over UDP, and over TCP when the answer is truncated. */
#ifndef DNSCHECK_QUERY_H
#define DNSCHECK_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "dnscheck/answer.h"
#include "dnscheck/message.h"

struct query {
    struct endpoint server; /* port 0: 53 */
    char name[DNSCHECK_NAME_MAX];
    uint16_t type;
    bool recurse;       /* the server is a resolver */
    bool want_referral; /* keep what it refers to */

    /* Filled in. */
    bool answered; /* false: silent within the time, or unreachable */
    bool over_tcp;
    struct message_reply head;
    struct answer answer; /* free with answer_clear */
    bool referred;
    struct referral referral;
};

/* Is there a way to this address at all? Sends nothing. */
bool query_has_route(const struct endpoint *server);

/* Asks all; returns when each is answered, timeout_ms is over, or *stop is set (false then). */
bool query_all(struct query *list, size_t count, int timeout_ms, const volatile int *stop);

#endif
