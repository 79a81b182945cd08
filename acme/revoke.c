/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/revoke.h"

#include <stdlib.h>

#include "acme/account.h"
#include "acme/generation.h"
#include "base/log.h"

static bool ask(struct session *s, const struct chain *c, enum client_signer signer, bool *already,
                struct failure *fail)
{
    struct response r;
    char *der = chain_leaf_der(c);
    if (!der)
        return failure_set(fail, FAILURE_LOCAL, "cannot encode the certificate");
    char *payload = message_revoke(der);
    bool ok =
        client_post(&s->client, s->client.directory.revoke_cert, payload, signer, NULL, &r, fail);
    *already = !ok && failure_is(fail, "alreadyRevoked");
    free(payload);
    free(der);
    response_free(&r);
    return ok || *already;
}

/* The account is gone, or another one: the certificate's own key may revoke it as well. */
static bool by_certificate_key(struct session *s, unsigned number, const struct chain *c,
                               bool *already, struct failure *fail)
{
    struct fault why;
    EVP_PKEY *key = generation_key(&s->store, number, &why);
    if (!key)
        return failure_set(fail, FAILURE_LOCAL, "%s", why.text);
    log_warning("the account may not revoke it (%s); trying with the certificate's own key",
                fail->text);
    s->client.key = key;
    bool ok = ask(s, c, CLIENT_JWK, already, fail);
    s->client.key = s->account_key;
    EVP_PKEY_free(key);
    return ok;
}

/* A refusal, rather than no answer. */
static bool is_refusal(const struct failure *fail)
{
    return fail->class == FAILURE_CONFIGURATION || fail->class == FAILURE_TERMS ||
           (fail->status >= 400 && fail->status < 429);
}

static bool ask_either_way(struct session *s, unsigned number, const struct chain *c, bool *already,
                           struct failure *fail)
{
    if (account_ready(s, fail) && ask(s, c, CLIENT_KID, already, fail))
        return true;
    return is_refusal(fail) && by_certificate_key(s, number, c, already, fail);
}

bool revoke(struct session *s, bool *already, struct failure *fail)
{
    struct chain c;
    struct chain_facts facts;
    unsigned number = generation_current(&s->store);
    *already = false;
    if (!generation_chain(&s->store, number, &c))
        return failure_set(fail, FAILURE_LOCAL, "no certificate is installed in %s", s->store.dir);
    bool ok = chain_read_facts(c.list[0], &facts) ||
              failure_set(fail, FAILURE_LOCAL, "the installed certificate cannot be read");
    ok = ok && client_directory(&s->client, fail) && ask_either_way(s, number, &c, already, fail);
    chain_free(&c);
    if (!ok)
        return false;
    log_notice("certificate %s (gen-%u) is revoked%s; the next run orders another", facts.serial,
               number, *already ? " already" : "");
    state_set(&s->state.revoked, facts.fingerprint);
    return session_save(s, fail);
}
