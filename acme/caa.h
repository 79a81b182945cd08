/* SPDX-License-Identifier: Apache-2.0 */
/* What a CAA record needs that only this account at this CA may issue (RFC 8659, RFC 8657). */
#ifndef ACME_CAA_H
#define ACME_CAA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "acme/authority.h"
#include "acme/session.h"

/* One CA; strings are owned. */
struct caa_entry {
    char *directory;
    char *account; /* its URL; NULL when it could not be learned */
    char *names[MESSAGE_MAX_CAA];
    size_t count;  /* 0: the CA does not say what it is called in CAA records */
    char *problem; /* why account is not known */
};

struct caa {
    const char *domain, *challenge;
    struct caa_entry list[AUTHORITY_MAX];
    size_t count;
};

/* Asks each configured CA for its names and our account, which is registered if need be. False when
 * one could not be asked; what is known of the others is there. caa_free in any case. */
bool caa_gather(struct session *s, const struct authority *list, size_t count, struct caa *caa);
void caa_free(struct caa *caa);

/* Pure: the value of an issue record for one of the CA's names, to free(). */
char *caa_value(const struct caa *caa, const struct caa_entry *e, const char *name);

/* Pure: lines of a zone file, with comments. */
void caa_print(const struct caa *caa, FILE *out);

/* Pure: one JSON object in one line, to free() (message_caa.c). */
char *caa_json(const struct caa *caa);

#endif
