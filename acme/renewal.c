/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/renewal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "acme/attempts.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define NOT_OFFERED (24 * 3600) /* until a CA without renewalInfo is looked at again */

static int64_t retry_after(const struct response *r)
{
    int64_t seconds;
    return client_retry_after(r, &seconds) ? seconds : 0;
}

static void say_window(const struct ari *a)
{
    char start[CLOCK_TEXT], end[CLOCK_TEXT], pick[CLOCK_TEXT];
    log_info("the CA suggests to renew between %s and %s; picked %s", clock_print(a->start, start),
             clock_print(a->end, end), clock_print(a->pick, pick));
}

static void take(struct ari *a, const struct response *r, time_t now)
{
    struct renewal_info info;
    struct fault why;
    uint64_t random;
    if (!message_renewal_info(r->body.data, r->body.len, &info, &why)) {
        log_warning("%s; it is asked again later", why.text);
        ari_no_answer(a, now, retry_after(r));
        return;
    }
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random = (uint64_t)clock_mono_ns();
    bool news =
        info.explanation && (!a->explanation || strcmp(info.explanation, a->explanation) != 0);
    if (ari_answer(a, &info, now, retry_after(r), random))
        say_window(a);
    if (news)
        log_notice("the CA explains its suggestion: %s", a->explanation);
    renewal_info_free(&info);
}

/* No answer. What the CA asks for then holds for orders, too. */
static void none(struct session *s, const struct facts *facts, const char *directory,
                 const struct failure *fail)
{
    time_t now = facts->schedule.now;
    log_info("the CA does not tell when to renew: %s", fail->text);
    ari_no_answer(&s->state.ari, now, fail->retry_after);
    attempts_heed(&s->state, directory, fail, now, facts->remaining);
}

static void ask(struct session *s, const struct facts *facts, struct client *c)
{
    struct response r = {0};
    struct failure fail;
    struct ari *a = &s->state.ari;
    const char *base = c->directory.renewal_info;
    /* RFC 9773 4.1: the base URL, a slash, the certID. */
    const char *slash = base[0] && base[strlen(base) - 1] == '/' ? "" : "/";
    char *url = mem_printf("%s%s%s", base, slash, a->cert_id);
    if (client_get(c, url, &r, &fail)) {
        take(a, &r, facts->schedule.now);
    } else {
        none(s, facts, c->url, &fail);
    }
    free(url);
    response_free(&r);
}

static void look(struct session *s, const struct facts *facts, const struct authority *ca)
{
    struct client c;
    struct failure fail;
    if (!client_open(&c, ca->directory, ca->ca_file, s->deadline_ms, &fail) ||
        !client_directory(&c, &fail)) {
        none(s, facts, ca->directory, &fail);
    } else if (!c.directory.renewal_info) {
        log_debug("the CA does not suggest when to renew");
        ari_no_answer(&s->state.ari, facts->schedule.now, NOT_OFFERED);
    } else {
        ask(s, facts, &c);
    }
    client_close(&c);
}

void renewal_look(struct session *s, const struct authority *list, size_t count,
                  const struct facts *facts)
{
    struct failure fail;
    /* With the state lost, it is most likely the first one's; another one says that it is not. */
    const struct authority *ca =
        s->state.issued_by ? authority_find(list, count, s->state.issued_by) : list;
    time_t now = facts->schedule.now;
    ari_bind(&s->state.ari, facts->installed.cert_id[0] ? facts->installed.cert_id : NULL);
    if (!s->state.ari.cert_id || !ca || facts->emergency || !ari_look_due(&s->state.ari, now) ||
        session_late(s) || attempts_next_try(attempts_find(&s->state, ca->directory), now) > now)
        return;
    /* Without a disk that takes the answer, or killed while it asks, each run would ask again: no
     * answer is noted before there is one. */
    unsigned failures = s->state.ari.failures;
    ari_no_answer(&s->state.ari, now, 0);
    if (!session_save(s, &fail)) {
        log_warning("%s", fail.text);
        return;
    }
    s->state.ari.failures = failures;
    look(s, facts, ca);
    if (!session_save(s, &fail))
        log_warning("%s", fail.text);
}
