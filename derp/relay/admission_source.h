/* SPDX-License-Identifier: Apache-2.0 */
/* What the sources of admission are asked and what their answers mean. Pure. */
#ifndef DERP_RELAY_ADMISSION_SOURCE_H
#define DERP_RELAY_ADMISSION_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "derp/wire/key.h"

/* Of several sources the verdict that stands further down here counts: one that admits is enough,
 * and "no" is said for certain only when all have said it. */
enum admission_verdict {
    ADMISSION_REFUSE,     /* a source that answered says no */
    ADMISSION_BAD_ANSWER, /* a source answered, but neither yes nor no (HTTP 500, no JSON) */
    ADMISSION_UNSURE,     /* a source could not be asked */
    ADMISSION_ADMIT,
};

/* A key file's keys, sorted. */
struct admission_keys {
    struct node_key *list;
    size_t count;
};

/*
 * One key a line, "nodekey:<64 hex>"; white space around it, empty lines and '#' comments (also
 * after a key) are allowed. Anything else is an error with its line: a list that is half understood
 * must not be used.
 */
bool admission_keys_parse(const char *text, size_t n, struct admission_keys *keys, struct fault *f);
bool admission_keys_have(const struct admission_keys *keys, const struct node_key *key);
void admission_keys_free(struct admission_keys *keys);

/* tailscaled's local API: the URL to GET over its socket; free() it. */
char *admission_whois_url(const struct node_key *key);
/* Its answer: 200 with a JSON object admits, 404 refuses; status 0 is unsure. */
enum admission_verdict admission_read_whois(int status, const char *body, size_t n);

/* The body POSTed to an admission URL (derper's form: NodePublic, Source); free() it. */
char *admission_url_body(const struct node_key *key, const char *ip);
/* Its answer: 200 and JSON with "Allow": true admits, with false or without refuses; status 0 is
 * unsure. Read as Go does: the member's name in any case, the last one counts, and what follows the
 * object does not matter. */
enum admission_verdict admission_read_allow(int status, const char *body, size_t n);

/* Is name, byte for byte, among the names that commas separate? */
bool admission_has_app(const char *names, const char *name);

#endif
