/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/rollover.h"

#include <stdlib.h>
#include <string.h>

#include "acme/account.h"
#include "acme/account_store.h"
#include "acme/jws.h"
#include "acme/key.h"
#include "base/log.h"

/* The inner JWS: signed by the new key, which it shows, without a nonce. */
static char *inner(const struct session *s, EVP_PKEY *next, struct failure *fail)
{
    struct fault why = {"cannot describe the account's keys"};
    char *fresh = jws_jwk(next), *old = jws_jwk(s->account_key);
    char *body = NULL;
    if (fresh && old) {
        char *protected = message_rollover_header(fresh, s->client.directory.key_change);
        char *payload = message_rollover(s->client.kid, old);
        body = jws_body(next, protected, payload, &why);
        free(protected);
        free(payload);
    }
    if (!body)
        failure_set(fail, FAILURE_LOCAL, "%s", why.text);
    free(fresh);
    free(old);
    return body;
}

static bool adopt(struct session *s, EVP_PKEY *next, struct failure *fail)
{
    struct fault why;
    if (!account_store_promote(&s->store, s->client.url, &why))
        return failure_set(fail, FAILURE_LOCAL, "%s; the next run goes on with this", why.text);
    EVP_PKEY_free(s->account_key);
    EVP_PKEY_up_ref(next);
    s->account_key = s->client.key = next;
    log_notice("account %s has another key", s->client.kid);
    return true;
}

/* The CA has refused; the old key holds. 409: another account has the new key. */
static bool refused(struct session *s, struct failure *fail)
{
    struct fault why;
    struct failure copy = *fail;
    if (!account_store_drop_next(&s->store, s->client.url, &why))
        log_warning("%s", why.text);
    failure_set(fail, copy.class, "%s%s", copy.text,
                copy.status == 409
                    ? " — the new key belongs to another account; it is thrown away: "
                      "run derp-acme rollover again"
                    : "; the account keeps its key");
    memcpy(fail->type, copy.type, sizeof fail->type);
    fail->status = copy.status;
    return false;
}

static bool change(struct session *s, EVP_PKEY *next, struct failure *fail)
{
    struct response r;
    struct failure doubt;
    char *payload = inner(s, next, fail);
    if (!payload)
        return false;
    bool ok = client_post(&s->client, s->client.directory.key_change, payload, CLIENT_KID, NULL, &r,
                          fail);
    free(payload);
    response_free(&r);
    if (ok)
        return adopt(s, next, fail);
    /* In the CA's own words: a proxy may say anything after the change. */
    if (fail->status >= 400 && fail->status < 500 && fail->type[0])
        return refused(s, fail);
    log_warning("the answer to the change of keys is lost (%s); asking which key holds",
                fail->text);
    return account_settle(s, &doubt) && key_same(s->account_key, next);
}

bool rollover(struct session *s, struct failure *fail)
{
    struct fault why;
    if (!client_directory(&s->client, fail) || !account_ready(s, fail))
        return false;
    if (!s->client.directory.key_change)
        return failure_set(fail, FAILURE_CONFIGURATION,
                           "the CA offers no change of keys (keyChange in its directory)");
    EVP_PKEY *next = account_store_next_key(&s->store, s->client.url, &why);
    if (!next)
        return failure_set(fail, FAILURE_LOCAL, "%s", why.text);
    bool ok = change(s, next, fail);
    EVP_PKEY_free(next);
    return ok;
}
