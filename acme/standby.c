/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/standby.h"

#include "acme/account.h"
#include "acme/attempts.h"
#include "base/clock.h"
#include "base/log.h"

void standby_ready(struct session *s, const struct authority *second, const struct facts *facts)
{
    struct failure fail;
    struct ca_record *r = attempts_of(&s->state, second->directory);
    time_t now = clock_wall();
    if (r->enrolled || attempts_next_try(r, now) > now)
        return;
    if (session_use(s, second, &fail) && client_directory(&s->client, &fail) &&
        account_ready(s, &fail)) {
        r->enrolled = true;
        log_info("the second CA is ready: %s", second->directory);
    } else {
        attempts_put_off(&s->state, second->directory, &fail, now, facts->remaining);
        log_warning("the second CA is not ready yet (%s): %s", second->directory, fail.text);
    }
    if (!session_save(s, &fail))
        log_warning("%s", fail.text);
}
