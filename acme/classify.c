/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/classify.h"

#include <string.h>

#include "base/text.h"

#define PREFIX "urn:ietf:params:acme:error:"

/* Types whose class does not depend on where they stood. */
static const struct {
    const char *type;
    enum failure_class class;
} table[] = {
    {"accountDoesNotExist", FAILURE_CONFIGURATION},
    {"alreadyReplaced", FAILURE_PROTOCOL},
    {"alreadyRevoked", FAILURE_CONFIGURATION},
    {"badCSR", FAILURE_CONFIGURATION},
    {"badNonce", FAILURE_OVERLOAD},
    {"badPublicKey", FAILURE_CONFIGURATION},
    {"badRevocationReason", FAILURE_CONFIGURATION},
    {"badSignatureAlgorithm", FAILURE_CONFIGURATION},
    {"caa", FAILURE_CONFIGURATION},
    {"connection", FAILURE_REACHABILITY},
    {"dns", FAILURE_REACHABILITY},
    {"externalAccountRequired", FAILURE_CONFIGURATION},
    {"incorrectResponse", FAILURE_REACHABILITY},
    {"invalidContact", FAILURE_CONFIGURATION},
    {"invalidProfile", FAILURE_CONFIGURATION},
    {"malformed", FAILURE_PROTOCOL},
    {"orderNotReady", FAILURE_PROTOCOL},
    {"rejectedIdentifier", FAILURE_CONFIGURATION},
    {"serverInternal", FAILURE_OVERLOAD},
    {"tls", FAILURE_REACHABILITY},
    {"unsupportedContact", FAILURE_CONFIGURATION},
    {"unsupportedIdentifier", FAILURE_CONFIGURATION},
    {"userActionRequired", FAILURE_TERMS},
};

const char *classify_short(const char *type)
{
    return text_starts(type, PREFIX) ? type + strlen(PREFIX) : type;
}

static enum failure_class by_status(long status)
{
    if (status == 429)
        return FAILURE_RATE_LIMIT;
    if (status == 408 || status >= 500)
        return FAILURE_OVERLOAD;
    if (status == 401 || status == 403)
        return FAILURE_CONFIGURATION;
    return FAILURE_PROTOCOL;
}

/* Boulder's words for a paused account; the link in detail leads to the way out. */
static bool says_paused(const char *detail)
{
    return detail && (strstr(detail, "temporarily prevented") || strstr(detail, "pause"));
}

enum failure_class classify_problem(enum classify_place place, const char *type, long status,
                                    const char *detail)
{
    const char *name = classify_short(type);
    if (strcmp(name, "rateLimited") == 0)
        return says_paused(detail) ? FAILURE_PAUSED : FAILURE_RATE_LIMIT;
    /* For a challenge: another server answered. For a request: the account may not do this. */
    if (strcmp(name, "unauthorized") == 0)
        return place == CLASSIFY_VALIDATION ? FAILURE_REACHABILITY : FAILURE_CONFIGURATION;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(name, table[i].type) == 0)
            return table[i].class;
    }
    if (status == 0 && place == CLASSIFY_VALIDATION)
        return FAILURE_REACHABILITY;
    return by_status(status);
}

bool classify_may_be_replaces(const struct failure *fail)
{
    static const char *const others[] = {
        "badNonce",           "caa",
        "invalidProfile",     "rateLimited",
        "rejectedIdentifier", "unsupportedIdentifier",
        "userActionRequired",
    };
    if (fail->status < 400 || fail->status == 429 || fail->status == 503)
        return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(classify_short(fail->type), others[i]) == 0)
            return false;
    }
    return true;
}
