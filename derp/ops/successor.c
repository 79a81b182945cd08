/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/ops/successor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/selfsigned.h"
#include "base/text.h"

#define TELL_S (7 * 86400)

struct paths {
    char *chain;
    char *next;
    char *key;
};

static const char *name_of(const struct config *c)
{
    return c->domain != NULL ? c->domain : "localhost";
}

/* Reads what there is of it. */
static void gather(const struct config *c, const struct paths *p, struct selfsigned_facts *facts,
                   struct successor *s)
{
    struct identity *id =
        file_exists(p->next) ? identity_load(p->next, p->key, name_of(c), NULL) : NULL;
    struct identity_info info;

    facts->next = id != NULL;
    if (id == NULL)
        return;
    identity_info(id, &info);
    facts->next_not_before = info.not_before;
    facts->next_not_after = info.not_after;
    memcpy(s->sha256, info.sha256, sizeof s->sha256);
    identity_free(id);
}

static void prepare(const struct config *c, const struct paths *p, const struct identity *present)
{
    struct fault f;
    struct identity *id = identity_renewed(present, name_of(c), SELFSIGNED_DAYS, &f);

    if (id == NULL || !identity_save_chain(id, p->next, &f))
        log_error("the next certificate of its own cannot be made: %s", f.text);
    identity_free(id);
}

static void tell(const struct identity *present, time_t now, struct successor *s)
{
    struct identity_info info;
    char pin[65], at[CLOCK_TEXT], until[CLOCK_TEXT];

    if (s->told != 0 && now >= s->told && now - s->told < TELL_S)
        return;
    s->told = now;
    identity_info(present, &info);
    text_hex(s->sha256, sizeof s->sha256, pin);
    log_warning("the certificate of its own ends at %s; from %s on another one is served, with the "
                "fingerprint sha256-raw:%s, which every derpMap must have then (derp-setup map "
                "--next)",
                clock_print(info.not_after, until), clock_print(s->changes_at, at), pin);
}

static bool put_in_place(const struct config *c, const struct paths *p)
{
    struct fault f;

    if (rename(p->next, p->chain) == 0) {
        file_sync_dir(c->state_dir, &f);
        log_warning("the certificate of its own is another one from now on: every derpMap must "
                    "have its fingerprint (derp-setup map)");
        return true;
    }
    fault_errno(&f, "cannot replace %s", p->chain);
    log_error("%s", f.text);
    return false;
}

/* One round; true when another one makes sense, as something was made. */
static bool round_of(const struct config *c, const struct paths *p, const struct identity *present,
                     time_t now, struct successor *s, bool *changed)
{
    struct identity_info info;
    struct selfsigned_facts facts = {.now = now};

    identity_info(present, &info);
    facts.not_after = info.not_after;
    gather(c, p, &facts, s);
    switch (selfsigned_decide(&facts, &s->changes_at)) {
    case SELFSIGNED_PREPARE:
        prepare(c, p, present);
        return true;
    case SELFSIGNED_CHANGE:
        *changed = put_in_place(c, p);
        return false;
    case SELFSIGNED_KEEP:
        if (s->changes_at != 0)
            tell(present, now, s);
    }
    return false;
}

bool successor_look(const struct config *c, const struct identity *present, time_t now,
                    struct successor *s)
{
    struct paths p = {.chain = file_join(c->state_dir, SELFSIGNED_CHAIN),
                      .next = file_join(c->state_dir, SELFSIGNED_NEXT),
                      .key = file_join(c->state_dir, SELFSIGNED_KEY)};
    bool changed = false;

    if (round_of(c, &p, present, now, s, &changed))
        round_of(c, &p, present, now, s, &changed);
    if (changed)
        *s = (struct successor){0};
    free(p.chain);
    free(p.next);
    free(p.key);
    return changed;
}
