/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pure: the JSON documents of ACME (RFC 8555 7.1), from and to text. Unknown members and nulls
 * are passed over; sizes, numbers of entries and the form of URLs and tokens are judged strictly.
 */
#ifndef ACME_MESSAGE_H
#define ACME_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "acme/classify.h"
#include "acme/failure.h"
#include "base/fault.h"

#define MESSAGE_MAX_CAA        8
#define MESSAGE_MAX_PROFILES   16
#define MESSAGE_MAX_NAMES      8
#define MESSAGE_MAX_AUTHZ      8
#define MESSAGE_MAX_CHALLENGES 16

/* RFC 8555 7.1.1. Strings are owned; NULL: not offered. */
struct directory {
    char *new_nonce, *new_account, *new_order, *revoke_cert; /* always set after reading */
    char *key_change, *renewal_info;
    char *terms; /* meta.termsOfService: shown, never fetched */
    char *caa[MESSAGE_MAX_CAA];
    size_t caa_count;
    char *profiles[MESSAGE_MAX_PROFILES];
    size_t profile_count;
    bool external_account; /* meta.externalAccountRequired */
};

/* RFC 8555 7.1.6; a value that is not known is MESSAGE_OTHER. */
enum message_status {
    MESSAGE_OTHER,
    MESSAGE_PENDING,
    MESSAGE_READY,
    MESSAGE_PROCESSING,
    MESSAGE_VALID,
    MESSAGE_INVALID,
    MESSAGE_DEACTIVATED,
    MESSAGE_EXPIRED,
    MESSAGE_REVOKED,
};

/* RFC 8555 7.1.3. */
struct order {
    enum message_status status;
    char *authorizations[MESSAGE_MAX_AUTHZ]; /* may be none */
    size_t authorization_count;
    char *names[MESSAGE_MAX_NAMES]; /* identifiers, lower case as sent */
    size_t name_count;
    char *finalize;       /* set while pending or ready */
    char *certificate;    /* NULL until valid */
    char *profile;        /* as echoed, NULL when the CA has none */
    struct failure error; /* class FAILURE_NONE without one */
};

/* RFC 8555 7.1.5 and 8. */
struct challenge {
    char *type;
    char *url;
    char *token; /* base64url, checked; NULL for types without one */
    enum message_status status;
    struct failure *error; /* NULL without one */
};

/* RFC 8555 7.1.4. */
struct authorization {
    enum message_status status;
    char *name; /* identifier.value */
    struct challenge challenges[MESSAGE_MAX_CHALLENGES];
    size_t challenge_count;
};

/* Each reads n bytes; false with a reason and an empty struct on anything unusable. */
bool message_directory(const void *json, size_t n, struct directory *d, struct fault *f);
bool message_order(const void *json, size_t n, struct order *o, struct fault *f);
bool message_authorization(const void *json, size_t n, struct authorization *a, struct fault *f);

/* Reads a problem document (RFC 8555 6.7, RFC 9457) that came with an HTTP status into fail: class,
 * type, and a text of type, detail, subproblems and instance. false when it is none; fail is then
 * untouched. */
bool message_problem(const void *json, size_t n, long status, enum classify_place place,
                     struct failure *fail);

void directory_free(struct directory *d);
void order_free(struct order *o);
void authorization_free(struct authorization *a);

const char *message_status_name(enum message_status status);

/* --- Requests; each returns a string to free() ------------------------------------------------ */

/* The protected header: nonce, url and exactly one of jwk (a JSON object) and kid. */
char *message_protected(const char *nonce, const char *url, const char *jwk, const char *kid);

/* The protected header of the JWS inside an external account binding (RFC 8555 7.3.4): HS256, no
 * nonce. */
char *message_binding_header(const char *key_id, const char *url);

/* newAccount: terms agreed, a mailto contact unless email is NULL, an external account binding (a
 * JWS as JSON) unless that is NULL. */
char *message_new_account(const char *email, const char *binding);

/* newAccount that only looks the account of the key up (RFC 8555 7.3.1). */
char *message_find_account(void);

/* The protected header of the JWS inside a key rollover (RFC 8555 7.3.5): the new key, no nonce;
 * and its payload. */
char *message_rollover_header(const char *jwk, const char *url);
char *message_rollover(const char *account, const char *old_jwk);

/* newOrder for one DNS name or IP address; profile may be NULL, and so may replaces, the certID of
 * the certificate that it will replace (RFC 9773 5). */
char *message_new_order(const char *name, const char *profile, const char *replaces);

/* finalize and revokeCert; the argument is DER in base64url. */
char *message_finalize(const char *csr);
char *message_revoke(const char *certificate);

#endif
