/* SPDX-License-Identifier: Apache-2.0 */
/* What derp-acme says of the certificate: what comes next, and why the last try failed. */
#ifndef INSTALLER_ACMESTATUS_H
#define INSTALLER_ACMESTATUS_H

#include <stdbool.h>
#include <time.h>

#include "base/fault.h"
#include "base/finding.h"

/* Times are 0 and texts "" when they were not said. */
struct acmestatus {
    bool good;         /* there is a certificate, and it has not expired */
    time_t not_before; /* of the installed certificate */
    time_t not_after;
    time_t renew_at; /* when it is due; earlier if the CA says so */
    time_t next_try; /* not before this, after a failure */
    char next[80];   /* what the timer's next run will do, in words */
    bool failed;     /* the last try failed: */
    unsigned failures;
    time_t failed_at;
    char type[80];     /* of the CA's problem document, without "urn:ietf:params:acme:error:" */
    char problem[512]; /* the reason, mostly the CA's own words */
};

/*
 * Reads the output of `derp-acme --json status`. Members that are missing or of another type count
 * as not said, so that an older or newer derp-acme is understood as far as it goes. false: no JSON
 * object. Pure.
 */
bool acmestatus_parse(const char *text, struct acmestatus *st, struct fault *f);

/*
 * Findings certificate.problem (warn while a good certificate is left, else fail) and
 * certificate.next (ok). Pure.
 */
void acmestatus_judge(const struct acmestatus *st, time_t now, struct findings *all);

/* Runs it, as derp-acme's own user. */
bool acmestatus_read(struct acmestatus *st, struct fault *f);

#endif
