/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/account.h"

#include <stdlib.h>
#include <string.h>

#include "acme/account_store.h"
#include "acme/binding.h"
#include "base/log.h"

static bool local(struct failure *fail, const struct fault *why)
{
    return failure_set(fail, FAILURE_LOCAL, "%s", why->text);
}

/* The account that an answer to newAccount names becomes ours, on disk first. */
static bool keep(struct session *s, const struct response *r, struct failure *fail)
{
    struct fault why;
    if (!r->location)
        return failure_set(fail, FAILURE_PROTOCOL, "the CA does not tell the account's URL");
    struct account a = {.directory = (char *)s->client.url, .url = r->location};
    if (!account_store_save(&s->store, s->client.url, &a, &why))
        return local(fail, &why);
    state_set(&s->client.kid, r->location);
    log_info("account %s (%s)", r->location, r->status == 201 ? "created" : "known already");
    return true;
}

/* Asks for the account of our key (RFC 8555 7.3.1). */
static bool find(struct session *s, struct failure *fail)
{
    struct response r;
    char *payload = message_find_account();
    bool ok = client_post(&s->client, s->client.directory.new_account, payload, CLIENT_JWK, NULL,
                          &r, fail) &&
              keep(s, &r, fail);
    free(payload);
    response_free(&r);
    return ok;
}

/* A refusal of keys that the CA gave out is no riddle. */
static bool explain_binding(const struct session *s, struct failure *fail)
{
    struct failure copy = *fail;
    if (copy.status < 400 || copy.status >= 500 || copy.class == FAILURE_RATE_LIMIT ||
        copy.class == FAILURE_TERMS || failure_is(&copy, "badNonce"))
        return false;
    failure_set(fail, FAILURE_CONFIGURATION,
                "the CA does not take the external account binding %s: %s — such keys expire and "
                "often serve once: get a fresh pair from the CA, set eab-key-id and eab-key-file "
                "in [acme], then run: derp-acme issue",
                s->ca->eab_key_id, copy.text);
    memcpy(fail->type, copy.type, sizeof fail->type);
    fail->status = copy.status;
    return false;
}

static bool binding(struct session *s, char **text, struct failure *fail)
{
    *text = NULL;
    if (s->ca->eab_key_id) {
        *text = binding_make(s->ca, s->client.directory.new_account, s->account_key, fail);
        return *text != NULL;
    }
    if (!s->client.directory.external_account)
        return true;
    return failure_set(fail, FAILURE_CONFIGURATION,
                       "the CA wants an external account binding: get a key id and an HMAC key "
                       "from it, put the key into a file (root:_derp-acme, 0640) and set "
                       "eab-key-id and eab-key-file in [acme], then run: derp-acme issue");
}

static bool create(struct session *s, struct failure *fail)
{
    struct response r;
    char *bound;
    if (!binding(s, &bound, fail))
        return false;
    char *payload = message_new_account(s->config->acme_email, bound);
    bool ok = client_post(&s->client, s->client.directory.new_account, payload, CLIENT_JWK, NULL,
                          &r, fail);
    if (!ok && bound)
        explain_binding(s, fail);
    ok = ok && keep(s, &r, fail);
    free(payload);
    free(bound);
    response_free(&r);
    return ok;
}

/* Finds the account of an old key again, and creates one only when the CA says there is none. */
static bool enrol(struct session *s, bool fresh, struct failure *fail)
{
    if (fresh)
        return create(s, fail);
    if (find(s, fail))
        return true;
    return failure_is(fail, "accountDoesNotExist") && create(s, fail);
}

static bool load_key(struct session *s, bool *made, struct failure *fail)
{
    struct fault why;
    char folder[ACCOUNT_FOLDER_MAX];
    *made = false;
    if (s->account_key)
        return true;
    if (!account_store_open(&s->store, s->client.url, &why))
        return local(fail, &why);
    s->account_key = account_store_key(&s->store, s->client.url, made, &why);
    /* It may be what a CAA record binds to, and come back: only when nothing else is left. */
    if (!s->account_key && !*made && session_desperate(s, FAILURE_LOCAL)) {
        struct fault unread = why;
        if (!account_store_put_key_aside(&s->store, s->client.url, &unread, &why))
            return local(fail, &why);
        s->account_key = account_store_key(&s->store, s->client.url, made, &why);
    }
    if (!s->account_key)
        return local(fail, &why);
    account_store_folder(s->client.url, folder);
    if (*made)
        log_info("account key made: %s/%s/account.key", s->store.dir, folder);
    s->client.key = s->account_key;
    return true;
}

/* Does the CA say that the account still has its old key? */
static bool old_key_holds(struct session *s, const struct failure *refusal)
{
    struct failure ignored;
    if (failure_is(refusal, "accountDoesNotExist"))
        return true;
    /* Not each CA says it like that for a key that it does not know. */
    return refusal->status >= 400 && refusal->status < 429 && find(s, &ignored);
}

bool account_settle(struct session *s, struct failure *fail)
{
    struct fault why;
    EVP_PKEY *next = account_store_next_key(&s->store, s->client.url, &why);
    if (!next) {
        /* Whatever the CA has made of it, nothing can be signed with it now. */
        struct fault f;
        return account_store_put_next_aside(&s->store, s->client.url, &why, &f) || local(fail, &f);
    }
    s->client.key = next;
    bool holds = find(s, fail);
    s->client.key = s->account_key;
    if (holds && account_store_promote(&s->store, s->client.url, &why)) {
        EVP_PKEY_free(s->account_key);
        s->account_key = s->client.key = next;
        log_notice("the account has its new key: the change had come through");
        return true;
    }
    EVP_PKEY_free(next);
    if (holds)
        return local(fail, &why);
    if (!old_key_holds(s, fail))
        return false;
    log_notice("the account keeps its key: the change had not come through");
    return account_store_drop_next(&s->store, s->client.url, &why) || local(fail, &why);
}

bool account_ready(struct session *s, struct failure *fail)
{
    struct account a;
    bool made;
    if (!load_key(s, &made, fail))
        return false;
    if (!made && account_store_has_next(&s->store, s->client.url) && !account_settle(s, fail))
        return false;
    bool known =
        account_store_load(&s->store, s->client.url, &a) && strcmp(a.directory, s->client.url) == 0;
    if (known)
        state_set(&s->client.kid, a.url);
    account_free(&a);
    return known || enrol(s, made, fail);
}

bool account_again(struct session *s, struct failure *fail)
{
    struct fault why;
    log_warning("the CA does not know account %s any more", s->client.kid);
    state_set(&s->client.kid, NULL);
    if (!account_store_save(&s->store, s->client.url, NULL, &why))
        return local(fail, &why);
    return enrol(s, false, fail);
}
