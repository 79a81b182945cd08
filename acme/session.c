/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/session.h"

#include "acme/attempts.h"
#include "acme/publish.h"
#include "base/clock.h"

void session_hang_up(struct session *s)
{
    client_close(&s->client);
    EVP_PKEY_free(s->account_key);
    s->account_key = NULL;
}

bool session_use(struct session *s, const struct authority *ca, struct failure *fail)
{
    session_hang_up(s);
    s->ca = ca;
    return client_open(&s->client, ca->directory, ca->ca_file, s->deadline_ms, fail);
}

bool session_desperate(const struct session *s, enum failure_class class)
{
    const struct ca_record *r = attempts_find(&s->state, s->ca->directory);
    return s->emergency && r && r->failures[class] >= SESSION_TRIES;
}

bool session_late(const struct session *s)
{
    return clock_mono_ms() >= s->deadline_ms;
}

bool session_save(struct session *s, struct failure *fail)
{
    struct fault why;
    if (s->trial)
        return true;
    if (s->state.last_seen < clock_wall())
        s->state.last_seen = clock_wall();
    if (store_save_state(&s->store, &s->state, &why))
        return true;
    return failure_set(fail, FAILURE_LOCAL, "%s", why.text);
}

bool session_enter(struct session *s, enum phase phase, struct failure *fail)
{
    if (s->state.phase == phase)
        return true;
    s->state.phase = phase;
    return session_save(s, fail);
}

bool session_drop_order(struct session *s, struct failure *fail)
{
    state_drop_order(&s->state);
    /* First the state, so that no phase ever misses its files. */
    if (!session_save(s, fail))
        return false;
    publish_withdraw(s);
    if (!s->trial)
        store_clear_pending(&s->store);
    return true;
}
