/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/event.h"

#include <stdio.h>
#include <stdlib.h>

#include "acme/hook.h"
#include "acme/status.h"
#include "base/clock.h"
#include "base/journal.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/run.h"

#define VALUES 8

/* Stable: people match on them. */
static const struct {
    const char *id;
    enum log_level level;
} entries[] = {
    [EVENT_RENEWED] = {"956152fc6e3502583a7f01cc7c1e9b19", LOG_LEVEL_NOTICE},
    [EVENT_FAILED] = {"e0a7dca0c456a482d87e6df99e9e3615", LOG_LEVEL_WARNING},
    [EVENT_PAUSED] = {"3b1ad48f46d463cfada8f982637a481d", LOG_LEVEL_ERROR},
    [EVENT_EXPIRING] = {"f5b7243ba6c35ffe1386d7c7b52007de", LOG_LEVEL_ERROR},
};

/* The facts as journal fields, which are the hook's environment too. */
struct told_facts {
    char until[CLOCK_TEXT], next[CLOCK_TEXT], days[24];
    struct journal_field fields[VALUES];
};

static void collect(const struct session *s, const struct facts *facts, enum event event,
                    struct told_facts *t)
{
    const struct state *state = &s->state;
    bool usable = facts->installed.usable, failing = state->class != FAILURE_NONE;
    const char *where = state->failed_ca ? state->failed_ca : s->ca->directory;
    clock_print(facts->installed.facts.not_after, t->until);
    clock_print(state->next_try, t->next);
    snprintf(t->days, sizeof t->days, "%ld", (long)(facts->remaining / 86400));
    const struct journal_field fields[VALUES] = {
        {"DERP_EVENT", event_name(event)},
        {"DERP_DOMAIN", s->config->domain},
        {"DERP_CA", failing ? where : state->issued_by},
        {"DERP_NOT_AFTER", usable ? t->until : NULL},
        {"DERP_DAYS_LEFT", usable ? t->days : NULL},
        {"DERP_CLASS", failing ? failure_name(state->class) : NULL},
        {"DERP_PROBLEM", failing ? state->problem : NULL},
        {"DERP_NEXT_TRY", failing && state->next_try ? t->next : NULL},
    };
    for (size_t i = 0; i < VALUES; i++)
        t->fields[i] = fields[i];
}

static char *sentence(const struct session *s, const struct facts *facts, enum event event,
                      const struct told_facts *t)
{
    const char *domain = s->config->domain;
    const char *problem = s->state.problem ? s->state.problem : "";
    switch (event) {
    case EVENT_RENEWED:
        return mem_printf("the certificate of %s is renewed, valid until %s", domain, t->until);
    case EVENT_PAUSED:
        return mem_printf("the CA has paused %s: %.700s", domain, problem);
    case EVENT_EXPIRING:
        return mem_printf("the certificate of %s %s %s; last problem: %.600s", domain,
                          facts->remaining > 0 ? "expires at" : "has expired at", t->until,
                          *problem ? problem : "none");
    default:
        return mem_printf("no new certificate for %s (%s): %.700s", domain,
                          failure_name(s->state.class), problem);
    }
}

/* What `status --json` prints; free() it. */
static char *status_text(const struct config *config)
{
    struct status st;
    struct fault why;
    if (!status_gather(config, &st, &why))
        return mem_strdup("{}");
    char *text = status_json(&st);
    status_free(&st);
    return text;
}

static void call_hook(const char *hook, const struct config *config, const struct told_facts *t)
{
    char *env[VALUES + 1] = {0};
    size_t n = 0;
    struct fault why;
    struct run_result r;
    if (!hook_may_run("hook", hook, &why)) {
        log_warning("%s; it is not called", why.text);
        return;
    }
    for (size_t i = 0; i < VALUES; i++) {
        if (t->fields[i].value)
            env[n++] = mem_printf("%s=%s", t->fields[i].name, t->fields[i].value);
    }
    char *input = status_text(config);
    const char *argv[] = {hook, t->fields[0].value, NULL};
    const struct run_options options = {
        .timeout_ms = EVENT_HOOK_MS, .input = input, .env = (const char *const *)env};
    if (!run(argv, &options, &r, &why)) {
        log_warning("hook: %s", why.text);
    } else if (!run_ok(&r)) {
        char how[400];
        run_explain(&r, how, sizeof how);
        log_warning("hook %s %s: %s", hook, argv[1], how);
    }
    run_free(&r);
    free(input);
    for (size_t i = 0; i < n; i++)
        free(env[i]);
}

void event_tell(struct session *s, const struct facts *facts, enum event event)
{
    struct told_facts t;
    struct failure why;
    if (event == EVENT_NONE)
        return;
    collect(s, facts, event, &t);
    char *text = sentence(s, facts, event, &t);
    journal_event(entries[event].id, entries[event].level, text, t.fields, VALUES);
    free(text);
    if (!session_save(s, &why))
        log_warning("%s; the hook is not called, for that could not be noted", why.text);
    else if (s->config->acme_hook)
        call_hook(s->config->acme_hook, s->config, &t);
}
