/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/authorize.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "acme/challenge.h"
#include "acme/jws.h"
#include "acme/preflight.h"
#include "base/log.h"

static bool fetch(struct session *s, const char *url, struct response *r, struct authorization *a,
                  struct failure *fail)
{
    struct fault why;
    *a = (struct authorization){0};
    if (!client_post(&s->client, url, "", CLIENT_KID, NULL, r, fail))
        return false;
    return message_authorization(r->body.data, r->body.len, a, &why) ||
           failure_set(fail, FAILURE_PROTOCOL, "%s", why.text);
}

static const struct challenge *find(const struct authorization *a, struct failure *fail)
{
    for (size_t i = 0; i < a->challenge_count; i++) {
        const struct challenge *c = &a->challenges[i];
        if (strcmp(c->type, CHALLENGE_TLS_ALPN) == 0 && c->token)
            return c;
    }
    failure_set(fail, FAILURE_CONFIGURATION,
                "the CA does not offer the challenge tls-alpn-01 for %s", a->name);
    return NULL;
}

/* Puts the certificate for this challenge where derpd looks for it. */
static bool publish(struct session *s, const struct authorization *a, const char *token,
                    struct failure *fail)
{
    uint8_t digest[JWS_DIGEST];
    struct buf pem;
    struct fault why = {"cannot derive the key authorization"};
    buf_init(&pem, 65536);
    char *authorization = jws_key_authorization(token, s->account_key);
    bool ok = authorization && jws_digest(authorization, strlen(authorization), digest) &&
              challenge_certificate(s->config->domain, digest, &pem, &why) &&
              store_put_challenge(&s->store, s->config->domain, &pem, &why);
    free(authorization);
    buf_wipe(&pem);
    if (ok)
        log_info("challenge for %s published", a->name);
    return ok || failure_set(fail, FAILURE_LOCAL, "%s", why.text);
}

/* Publishes and, unless the CA is at work already, asks it to validate. */
static bool answer(struct session *s, const struct authorization *a, struct failure *fail)
{
    struct response r;
    const struct challenge *c = find(a, fail);
    if (!c)
        return false;
    if (c->status == MESSAGE_PENDING && !preflight(s, fail))
        return false;
    if (!publish(s, a, c->token, fail))
        return false;
    if (c->status != MESSAGE_PENDING)
        return true;
    bool ok = client_post(&s->client, c->url, "{}", CLIENT_KID, NULL, &r, fail);
    response_free(&r);
    return ok;
}

/* Why an authorization is not valid, in the CA's words where a challenge has some. */
static void explain(const struct authorization *a, struct failure *fail)
{
    for (size_t i = 0; i < a->challenge_count; i++) {
        const struct challenge *c = &a->challenges[i];
        if (!c->error)
            continue;
        struct failure copy = *c->error;
        failure_set(fail, copy.class, "the CA could not validate %s: %s", a->name, copy.text);
        memcpy(fail->type, copy.type, sizeof fail->type);
        fail->status = copy.status;
        return;
    }
    failure_set(fail, FAILURE_REACHABILITY, "the authorization of %s is %s; the CA gives no reason",
                a->name, message_status_name(a->status));
}

/* The challenge has served. Without a valid authorization the order cannot be fulfilled. */
static bool conclude(struct session *s, const struct authorization *a, struct failure *fail)
{
    struct failure ignored;
    store_clear_challenges(&s->store);
    if (a->status == MESSAGE_VALID) {
        log_info("%s is authorized", a->name);
        return true;
    }
    explain(a, fail);
    session_drop_order(s, &ignored);
    return false;
}

static bool wait_for_end(struct session *s, const char *url, struct authorization *a,
                         struct failure *fail)
{
    struct poll p;
    struct response r = {0};
    bool ok = true;
    poll_begin(&p);
    while (ok && a->status == MESSAGE_PENDING) {
        ok = poll_wait(&p, &r, "the validation", fail);
        response_free(&r);
        authorization_free(a);
        ok = ok && fetch(s, url, &r, a, fail);
    }
    response_free(&r);
    return ok;
}

bool authorize(struct session *s, const char *url, struct failure *fail)
{
    struct response r;
    struct authorization a;
    bool ok = fetch(s, url, &r, &a, fail);
    response_free(&r);
    if (ok && a.name && strcasecmp(a.name, s->config->domain) != 0)
        ok = failure_set(fail, FAILURE_PROTOCOL, "the CA wants an authorization for another name");
    if (ok && a.status == MESSAGE_PENDING)
        ok = answer(s, &a, fail) && wait_for_end(s, url, &a, fail);
    ok = ok && conclude(s, &a, fail);
    authorization_free(&a);
    return ok;
}
