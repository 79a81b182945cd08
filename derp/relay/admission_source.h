/* SPDX-License-Identifier: Apache-2.0 */
/* What the sources of admission are asked and what their answers mean. Pure. */
#ifndef DERP_RELAY_ADMISSION_SOURCE_H
#define DERP_RELAY_ADMISSION_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "derp/wire/key.h"

enum admission_verdict {
    ADMISSION_ADMIT,
    ADMISSION_REFUSE, /* a source that answered says no */
    ADMISSION_UNSURE, /* a source could not be asked */
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
/* Its answer: 200 with a JSON object admits, anything else refuses; status 0 is unsure. */
enum admission_verdict admission_read_whois(int status, const char *body, size_t n);

/* The body POSTed to an admission URL (derper's form: NodePublic, Source); free() it. */
char *admission_url_body(const struct node_key *key, const char *ip);
/* Its answer: 200 with {"Allow":true} admits, anything else refuses; status 0 is unsure. */
enum admission_verdict admission_read_allow(int status, const char *body, size_t n);

#endif
