/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: values of HTTP headers that ACME uses. */
#ifndef ACME_HEADER_H
#define ACME_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* An HTTP date in any of the three forms of RFC 9110 5.6.7, always UTC. */
bool header_date(const char *value, time_t *t);

/*
 * Retry-After (RFC 9110 10.2.3): seconds, or a date, which is made relative to now. A date that
 * has passed gives 0; anything above a year gives a year. false: nonsense, take it as absent.
 */
bool header_retry_after(const char *value, time_t now, int64_t *seconds);

/*
 * The index-th (0, 1, …) target of Link values (RFC 8288) whose rel holds the given word; value
 * may be several header lines joined by ", ". Free with free(); NULL when there is none.
 */
char *header_link(const char *value, const char *rel, size_t index);

/* True for an https URL of printable characters without quotes, spaces and backslashes, at most
 * 2,000 bytes: the only kind that is taken from a CA. */
bool header_is_url(const char *s);

/* True for a nonce as RFC 8555 6.5.1 has it: base64url, not empty, at most 255 bytes. */
bool header_is_nonce(const char *s);

#endif
