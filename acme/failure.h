/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why an attempt failed: the class decides when the next one is made (schedule.h), the text is
 * what a person reads, in the CA's own words where it gave some.
 */
#ifndef ACME_FAILURE_H
#define ACME_FAILURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The names (failure_name) are part of the state file and of `status --json`. */
enum failure_class {
    FAILURE_NONE,
    FAILURE_NETWORK,       /* the CA was not reached, or not over TLS that we trust */
    FAILURE_OVERLOAD,      /* the CA is not able to answer now, or is slow to finish */
    FAILURE_RATE_LIMIT,    /* a limit of the CA */
    FAILURE_PAUSED,        /* the CA has paused this account for this name */
    FAILURE_TERMS,         /* a person has to agree to new terms */
    FAILURE_REACHABILITY,  /* the CA validated, and did not find us behind the name */
    FAILURE_PREFLIGHT,     /* our own checks stopped it; nothing was spent at the CA */
    FAILURE_CONFIGURATION, /* the CA refuses what the configuration asks for */
    FAILURE_PROTOCOL,      /* an answer that makes no sense */
    FAILURE_LOCAL,         /* disk, our own files, the relay did not take the certificate */
    FAILURE_CLOCK,         /* this machine's clock is provably wrong */
    FAILURE_CLASSES,
};

struct failure {
    enum failure_class class;
    long status;         /* HTTP status of the CA's refusal, 0 otherwise */
    int64_t retry_after; /* seconds the CA asks to wait, 0: none; see header_retry_after */
    char type[128];      /* the problem's type as sent, "" when it does not come from the CA */
    char text[4096];     /* UTF-8 without control characters, terminated, cut when longer */
};

/* Stores class and reason; always returns false. The CA's fields are cleared. */
bool failure_set(struct failure *f, enum failure_class class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* True when the CA's problem has this type ("badNonce", without the urn prefix). */
bool failure_is(const struct failure *f, const char *type);

/* Writes the text to the log as an error, in several lines when it is long, after the prefix. */
void failure_log(const struct failure *f, const char *prefix);

/* "network", "rate-limit", … and back (FAILURE_CLASSES when unknown). */
const char *failure_name(enum failure_class class);
enum failure_class failure_named(const char *name);

#endif
