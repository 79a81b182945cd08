/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/authorize.h"

#include <stdlib.h>
#include <string.h>

#include "acme/challenge.h"
#include "acme/identifier.h"
#include "acme/preflight.h"
#include "acme/publish.h"
#include "base/log.h"
#include "base/text.h"

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

/* What the CA offers instead, for the message. */
static void offered(const struct authorization *a, struct buf *text)
{
    for (size_t i = 0; i < a->challenge_count; i++) {
        char type[64];
        text_printable(a->challenges[i].type, strlen(a->challenges[i].type), type, sizeof type);
        buf_printf(text, "%s%s", i ? ", " : "", type);
    }
}

static const struct challenge *find(const struct authorization *a, const char *type,
                                    struct failure *fail)
{
    struct buf text;
    for (size_t i = 0; i < a->challenge_count; i++) {
        const struct challenge *c = &a->challenges[i];
        if (strcmp(c->type, type) == 0 && c->token)
            return c;
    }
    buf_init(&text, 1024);
    offered(a, &text);
    failure_set(
        fail, FAILURE_CONFIGURATION,
        "the CA does not offer the challenge %s for %s; see challenge in [acme], it offers: "
        "%s",
        type, a->name, buf_text(&text));
    buf_free(&text);
    return NULL;
}

/* Publishes and, unless the CA is at work already, asks it to validate. */
static bool answer(struct session *s, const struct authorization *a, struct failure *fail)
{
    struct response r;
    const struct challenge *c = find(a, challenge_name(s->config->challenge), fail);
    if (!c)
        return false;
    if (c->status == MESSAGE_PENDING && !preflight(s, fail))
        return false;
    if (!publish(s, c->token, fail))
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
    publish_withdraw(s);
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
    poll_begin(&p, s->deadline_ms);
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
    if (ok && a.name && !identifier_same(a.name, s->config->domain))
        ok = failure_set(fail, FAILURE_PROTOCOL, "the CA wants an authorization for another name");
    if (ok && a.status == MESSAGE_PENDING)
        ok = answer(s, &a, fail) && wait_for_end(s, url, &a, fail);
    ok = ok && conclude(s, &a, fail);
    authorization_free(&a);
    return ok;
}
