/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/account.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

/* Asks the CA for the account of our key, which it creates if need be, and stores its URL. */
static bool enrol(struct session *s, struct failure *fail)
{
    struct response r;
    struct fault why;
    struct client *c = &s->client;
    if (c->directory.external_account)
        return failure_set(fail, FAILURE_CONFIGURATION,
                           "the CA wants an external account binding, which this version does "
                           "not have; use a CA without one");
    char *payload = message_new_account(s->config->acme_email);
    bool ok = client_post(c, c->directory.new_account, payload, CLIENT_JWK, NULL, &r, fail);
    free(payload);
    if (ok && !r.location)
        ok = failure_set(fail, FAILURE_PROTOCOL, "the CA does not tell the account's URL");
    if (ok) {
        struct account a = {.directory = (char *)c->url, .url = r.location};
        ok = store_save_account(&s->store, &a, &why) ||
             failure_set(fail, FAILURE_LOCAL, "%s", why.text);
        state_set(&c->kid, r.location);
        log_info("account %s (%s)", r.location, r.status == 201 ? "created" : "known already");
    }
    response_free(&r);
    return ok;
}

static bool load_key(struct session *s, struct failure *fail)
{
    struct fault why;
    bool made;
    if (s->account_key)
        return true;
    s->account_key = store_account_key(&s->store, &made, &why);
    if (!s->account_key)
        return failure_set(fail, FAILURE_LOCAL, "%s", why.text);
    if (made)
        log_info("account key made: %s/account/account.key", s->store.dir);
    s->client.key = s->account_key;
    return true;
}

bool account_ready(struct session *s, struct failure *fail)
{
    struct account a;
    if (!load_key(s, fail))
        return false;
    bool known = store_load_account(&s->store, &a) && strcmp(a.directory, s->client.url) == 0;
    if (known)
        state_set(&s->client.kid, a.url);
    account_free(&a);
    return known || enrol(s, fail);
}

bool account_again(struct session *s, struct failure *fail)
{
    struct fault why;
    log_warning("the CA does not know account %s any more", s->client.kid);
    state_set(&s->client.kid, NULL);
    if (!store_save_account(&s->store, NULL, &why))
        return failure_set(fail, FAILURE_LOCAL, "%s", why.text);
    return enrol(s, fail);
}
