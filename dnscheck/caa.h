/* SPDX-License-Identifier: Apache-2.0 */
/* May this CA issue? Certification Authority Authorization, RFC 8659 and RFC 8657. Pure. */
#ifndef DNSCHECK_CAA_H
#define DNSCHECK_CAA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dnscheck/answer.h"

/* Views into the RDATA. */
struct caa_record {
    uint8_t flags;
    const char *tag; /* letters and digits, any case */
    size_t tag_len;
    const char *value; /* any bytes */
    size_t value_len;
};

/* Reads the RDATA of one record (RFC 8659 4.1); false when it is malformed. */
bool caa_read(const uint8_t *rdata, size_t len, struct caa_record *out);

/* Who wants a certificate, from whom, and how: see struct dnscheck_options. */
struct caa_request {
    const char *const *ca_names;
    size_t ca_count;
    const char *challenge;
    const char *account_uri;
};

enum caa_verdict {
    CAA_PERMITTED,       /* a record names the CA, or no record restricts who may issue */
    CAA_PERMITTED_CASE,  /* a record names the CA, in letters of another case */
    CAA_NOT_NAMED,       /* others are named, or nobody */
    CAA_CRITICAL,        /* a critical property that CAs don't know forbids everything */
    CAA_METHOD,          /* the CA is named for other challenges only */
    CAA_ACCOUNT,         /* the CA is named for another account only */
    CAA_ACCOUNT_UNKNOWN, /* the CA is named for one account; ours is not known yet */
    CAA_CA_UNKNOWN,      /* somebody is named; whether it is our CA cannot be told (no ca_names) */
};

/* What of the records the verdict rests on, printable and in quotes: the issuers named, or the
 * record; "" when nobody is named. */
#define CAA_DETAIL 256

/* Judges a non-empty CAA record set for a name that is not a wildcard. */
enum caa_verdict caa_judge(const struct answer *set, const struct caa_request *want,
                           char detail[static CAA_DETAIL]);

/*
 * The name from which RFC 8659 3 continues climbing: "derp.demo.com" → "demo.com" → "com" → NULL.
 * Returns a view into name.
 */
const char *caa_parent(const char *name);

#endif
