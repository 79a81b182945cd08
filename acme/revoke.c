/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/revoke.h"

#include <stdlib.h>

#include "acme/account.h"
#include "acme/generation.h"
#include "base/log.h"

static bool ask(struct session *s, const struct chain *c, bool *already, struct failure *fail)
{
    struct response r;
    char *der = chain_leaf_der(c);
    if (!der)
        return failure_set(fail, FAILURE_LOCAL, "cannot encode the certificate");
    char *payload = message_revoke(der);
    bool ok = client_post(&s->client, s->client.directory.revoke_cert, payload, CLIENT_KID, NULL,
                          &r, fail);
    *already = !ok && failure_is(fail, "alreadyRevoked");
    free(payload);
    free(der);
    response_free(&r);
    return ok || *already;
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
    ok = ok && client_directory(&s->client, fail) && account_ready(s, fail) &&
         ask(s, &c, already, fail);
    chain_free(&c);
    if (!ok)
        return false;
    log_notice("certificate %s (gen-%u) is revoked%s; the next run orders another", facts.serial,
               number, *already ? " already" : "");
    state_set(&s->state.revoked, facts.fingerprint);
    return session_save(s, fail);
}
