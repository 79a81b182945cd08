/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/session.h"

#include "acme/publish.h"

bool session_save(struct session *s, struct failure *fail)
{
    struct fault why;
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
    store_clear_pending(&s->store);
    return true;
}
