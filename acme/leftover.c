/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/leftover.h"

#include "base/log.h"
#include "base/text.h"

void leftover_renounce(struct session *s, const char *url)
{
    struct response r;
    struct failure fail;
    if (client_post(&s->client, url, "{\"status\":\"deactivated\"}", CLIENT_KID, NULL, &r, &fail))
        log_info("authorization %s is deactivated", url);
    else
        log_debug("authorization %s is not deactivated: %s", url, fail.text);
    response_free(&r);
}

static void deactivate(struct session *s, const char *url)
{
    struct response r;
    struct authorization a = {0};
    struct failure fail;
    struct fault why;
    bool pending = client_post(&s->client, url, "", CLIENT_KID, NULL, &r, &fail) &&
                   message_authorization(r.body.data, r.body.len, &a, &why) &&
                   a.status == MESSAGE_PENDING;
    response_free(&r);
    authorization_free(&a);
    if (pending)
        leftover_renounce(s, url);
}

/* The order may be another CA's than the one that this run talks to, or another account's. */
static bool is_ours(const struct session *s)
{
    return text_same(s->state.leftover_ca, s->client.url) &&
           text_same(s->state.leftover_account, s->client.kid);
}

void leftover_note(struct state *s)
{
    state_set(&s->leftover, s->order);
    state_set(&s->leftover_ca, s->directory);
    state_set(&s->leftover_account, s->account);
}

void leftover_deactivate(struct session *s)
{
    struct response r;
    struct order o = {0};
    struct failure fail;
    struct fault why;
    if (!s->state.leftover || !is_ours(s))
        return;
    if (client_post(&s->client, s->state.leftover, "", CLIENT_KID, NULL, &r, &fail) &&
        message_order(r.body.data, r.body.len, &o, &why) && o.status == MESSAGE_PENDING) {
        for (size_t i = 0; i < o.authorization_count; i++)
            deactivate(s, o.authorizations[i]);
    }
    order_free(&o);
    response_free(&r);
    state_set(&s->state.leftover, NULL);
    state_set(&s->state.leftover_ca, NULL);
    state_set(&s->state.leftover_account, NULL);
    if (!session_save(s, &fail))
        log_warning("%s", fail.text);
}
