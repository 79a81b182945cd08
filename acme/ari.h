/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pure: when the CA suggests to renew (RFC 9773), and what we make of it. Everything known belongs
 * to one certificate, named by its certID; with another certificate it counts for nothing. Times
 * are of the wall clock, in seconds since 1970; durations are seconds.
 */
#ifndef ACME_ARI_H
#define ACME_ARI_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/fault.h"

/* The document (RFC 9773 4.2). */
struct renewal_info {
    time_t start, end; /* suggestedWindow; end is after start */
    char *explanation; /* explanationURL, https; NULL: none. Owned */
};

/* What is kept of it. Strings are owned; 0 and NULL: not known. */
struct ari {
    char *cert_id;     /* the certificate that all of this is about */
    time_t start, end; /* the window */
    time_t pick;       /* the moment inside it that was drawn, once */
    time_t next_look;  /* when the CA may be asked again; 0: at once */
    unsigned failures; /* looks without an answer, in a row */
    char *explanation;
};

/*
 * The certID (RFC 9773 4.1): base64url of the keyIdentifier of the Authority Key Identifier, ".",
 * base64url of the content bytes of the serial's DER, a leading 00 kept. free() it; NULL for a
 * certificate without keyIdentifier or serial.
 */
char *ari_cert_id(const X509 *cert);

/* Reads the document; false with a reason when it is none, or its window is inverted or empty
 * (RFC 9773 4.2: then it counts as no answer). Free with renewal_info_free (message_ari.c). */
bool message_renewal_info(const void *json, size_t n, struct renewal_info *info, struct fault *f);
void renewal_info_free(struct renewal_info *info);

/* Makes it be about this certificate (NULL: about none); what was known of another is dropped. */
void ari_bind(struct ari *a, const char *cert_id);

/*
 * Takes an answer over. The moment is drawn uniformly from [start, end) by random, and only when
 * the window is another than before. retry_after is the CA's, 0: none. True when it was drawn anew.
 */
bool ari_answer(struct ari *a, const struct renewal_info *info, time_t now, int64_t retry_after,
                uint64_t random);

/* Notes a look without an answer: the next one is 5 minutes away, doubled up to 6 hours, never
 * before retry_after (at most a day). */
void ari_no_answer(struct ari *a, time_t now, int64_t retry_after);

/* True when the CA is to be asked now; a stored next look that no wait can have led to (a clock
 * that was wrong) does not count. */
bool ari_look_due(const struct ari *a, time_t now);

void ari_free(struct ari *a);

#endif
