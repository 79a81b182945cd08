/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/leftover.h"

#include <string.h>

#include "base/log.h"

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
    if (!pending)
        return;
    if (client_post(&s->client, url, "{\"status\":\"deactivated\"}", CLIENT_KID, NULL, &r, &fail))
        log_info("authorization %s of an order that was given up is deactivated", url);
    response_free(&r);
}

/* The order may be another CA's than the one that this run talks to. */
static bool is_this_ca(const struct session *s)
{
    const char *url = s->client.url;
    size_t n = strlen("https://") + strcspn(url + strlen("https://"), "/?#");
    return strncmp(url, s->state.leftover, n) == 0 && s->state.leftover[n] == '/';
}

void leftover_deactivate(struct session *s)
{
    struct response r;
    struct order o = {0};
    struct failure fail;
    struct fault why;
    if (!s->state.leftover || !is_this_ca(s))
        return;
    if (client_post(&s->client, s->state.leftover, "", CLIENT_KID, NULL, &r, &fail) &&
        message_order(r.body.data, r.body.len, &o, &why) && o.status == MESSAGE_PENDING) {
        for (size_t i = 0; i < o.authorization_count; i++)
            deactivate(s, o.authorizations[i]);
    }
    order_free(&o);
    response_free(&r);
    state_set(&s->state.leftover, NULL);
    if (!session_save(s, &fail))
        log_warning("%s", fail.text);
}
