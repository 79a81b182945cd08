/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/run.h"
#include "base/text.h"
#include "base/translate.h"
#include "installer/stop.h"

#define SYSTEMCTL_MS 120000 /* longer than a start may take (TimeoutStartSec) */

/* The value of "Name=" at the start of a line; "" when it is not there. */
static const char *value_of(const char *text, const char *name, char *value, size_t cap)
{
    size_t n = strlen(name);
    value[0] = '\0';
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) != 0 || line[n] != '=')
            continue;
        size_t len = strcspn(line + n + 1, "\n");
        if (len >= cap)
            len = cap - 1;
        memcpy(value, line + n + 1, len);
        value[len] = '\0';
        break;
    }
    return value;
}

void service_parse(const char *text, struct service_state *state)
{
    char value[64];
    memset(state, 0, sizeof *state);
    value_of(text, "ActiveState", value, sizeof value);
    state->active = strcmp(value, "active") == 0 || strcmp(value, "reloading") == 0;
    state->failed = strcmp(value, "failed") == 0;
    value_of(text, "UnitFileState", value, sizeof value);
    state->enabled = strcmp(value, "enabled") == 0 || strcmp(value, "enabled-runtime") == 0;
    value_of(text, "NRestarts", value, sizeof value);
    state->restarts = (unsigned)strtoul(value, NULL, 10);
    value_of(text, "MainPID", value, sizeof value);
    state->pid = (unsigned)strtoul(value, NULL, 10);
}

bool service_read(const char *unit, struct service_state *state, struct fault *f)
{
    const char *const argv[] = {
        "systemctl", "show", "-p", "ActiveState,UnitFileState,NRestarts,MainPID", "--", unit, NULL};
    struct run_options opt = {.timeout_ms = 10000, .stop = stop_flag()};
    struct run_result r;
    char why[256];
    memset(state, 0, sizeof *state);
    bool fine = run(argv, &opt, &r, f);
    if (fine && !run_ok(&r)) {
        run_explain(&r, why, sizeof why);
        fine = fault_set(f, "systemctl show %s: %s", unit, why);
    }
    if (fine)
        service_parse(buf_text(&r.out), state);
    run_free(&r);
    return fine;
}

void service_look(struct setup *s)
{
    struct service_state relay, timer;
    service_read(SERVICE_RELAY, &relay, NULL);
    service_read(SERVICE_TIMER, &timer, NULL);
    s->service_active = relay.active;
    s->service_enabled = relay.enabled;
    s->timer_active = timer.active;
    s->timer_enabled = timer.enabled;
}

bool service_do(const char *verb, const char *unit, struct fault *f)
{
    const char *const argv[] = {"systemctl", verb, "--", unit, NULL};
    struct run_options opt = {.timeout_ms = SYSTEMCTL_MS, .stop = stop_flag()};
    struct run_result r;
    char why[256];
    bool fine = run(argv, &opt, &r, f);
    if (fine && !run_ok(&r)) {
        run_explain(&r, why, sizeof why);
        fine = fault_set(f, "systemctl %s %s: %s", verb, unit, why);
    }
    run_free(&r);
    return fine;
}

void service_make_folders(void)
{
    const char *const argv[] = {"systemd-tmpfiles", "--create", "derp-relay.conf", NULL};
    run_checked(argv, 60000, NULL);
}

void service_show_journal(struct setup *s, const char *unit)
{
    const char *const argv[] = {"journalctl", "--no-pager", "-o", "cat", "-n",
                                "12",         "-u",         unit, NULL};
    struct run_options opt = {.timeout_ms = 10000, .stop = stop_flag()};
    struct run_result r;
    char text[400];
    if (!run(argv, &opt, &r, NULL)) {
        run_free(&r);
        return;
    }
    report_always(&s->report, "The last lines of its journal (`journalctl -u %s`):", unit);
    char *copy = mem_strdup(buf_text(&r.out));
    char *rest;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        text_printable(line, strlen(line), text, sizeof text);
        report_always(&s->report, "    %s", text);
    }
    free(copy);
    run_free(&r);
}

/* --- The step ----------------------------------------------------------------------------------
 */

static bool wants_timer(const struct setup *s)
{
    return s->desired.config.source == CONFIG_SOURCE_ACME;
}

/* The config differs, or was changed by a run that did not get as far as this. */
static bool has_old_config(const struct setup *s)
{
    return *s->desired.changes || journal_is_open(&s->journal, "service");
}

bool service_is_needed(const struct setup *s)
{
    return !s->service_active || !s->service_enabled || has_old_config(s);
}

void service_describe(const struct setup *s, struct buf *text)
{
    if (!s->service_active)
        translate_buf(text, "start " SERVICE_RELAY);
    else if (has_old_config(s))
        translate_buf(text, "%s",
                      s->desired.relay_changed ? "restart " SERVICE_RELAY
                                               : "reload " SERVICE_RELAY);
    if (!s->service_enabled)
        translate_buf(text, "%senable " SERVICE_RELAY, text->len ? N_(", ") : "");
}

/* Enables a unit and writes down that it was us. */
static bool enable(struct setup *s, const char *unit, struct fault *f)
{
    char undo[80];
    snprintf(undo, sizeof undo, "systemctl disable %s", unit);
    journal_add(&s->journal, "enable", unit, undo);
    if (!setup_save(s))
        return fault_set(f, "the journal could not be written");
    if (!service_do("enable", unit, f))
        return false;
    report_change(&s->report, "systemctl enable %s", unit);
    s->changed = true;
    return true;
}

static bool start(struct setup *s, const char *unit, const char *verb, struct fault *f)
{
    char undo[80];
    snprintf(undo, sizeof undo, "systemctl stop %s", unit);
    if (strcmp(verb, "start") == 0)
        journal_add(&s->journal, "start", unit, undo);
    if (!setup_save(s))
        return fault_set(f, "the journal could not be written");
    if (!service_do(verb, unit, f))
        return false;
    report_change(&s->report, "systemctl %s %s", verb, unit);
    s->changed = true;
    return true;
}

static bool bring_up(struct setup *s, struct fault *f)
{
    if (!s->service_enabled && !enable(s, SERVICE_RELAY, f))
        return false;
    if (wants_timer(s) && !s->timer_enabled && !enable(s, SERVICE_TIMER, f))
        return false;
    if (!s->service_active)
        return start(s, SERVICE_RELAY, "start", f);
    if (!has_old_config(s))
        return true;
    /* A run that was cut off may have changed anything: then the config is read afresh. */
    bool restart = s->desired.relay_changed || !*s->desired.changes;
    return start(s, SERVICE_RELAY, restart ? "restart" : "reload", f);
}

enum setup_exit service_run(struct setup *s)
{
    struct service_state relay;
    struct fault f;
    report_begin(&s->report, "service", "starting " SERVICE_RELAY);
    bool fine = bring_up(s, &f) && service_read(SERVICE_RELAY, &relay, &f);
    if (fine && !relay.active)
        fine = fault_set(&f, SERVICE_RELAY " did not stay up");
    report_end(&s->report);
    if (fine) {
        report_found(&s->report, SEVERITY_OK, "service.ok", NULL,
                     SERVICE_RELAY " runs and starts at boot");
        return EXIT_DONE;
    }
    if (stop_wanted())
        return EXIT_INTERRUPTED;
    report_found(&s->report, SEVERITY_FAIL, "service.failed",
                 "journalctl -u derpd says more; then run this again", "%s", f.text);
    service_show_journal(s, SERVICE_RELAY);
    return EXIT_SERVICE;
}

/* --- The timer ---------------------------------------------------------------------------------
 */

bool service_timer_is_needed(const struct setup *s)
{
    return wants_timer(s) ? !s->timer_enabled || !s->timer_active
                          : s->timer_enabled || s->timer_active;
}

void service_timer_describe(const struct setup *s, struct buf *text)
{
    if (!wants_timer(s))
        translate_buf(text, "stop " SERVICE_TIMER ", which has nothing to renew any more");
    else
        translate_buf(text, "%s " SERVICE_TIMER ", which renews the certificate",
                      s->timer_enabled ? "start" : "enable and start");
}

/* The other way round. It stays in the journal, where undoing it once more does no harm. */
static bool end_timer(struct setup *s, struct fault *f)
{
    if (!service_do("disable", SERVICE_TIMER, f) || !service_do("stop", SERVICE_TIMER, f))
        return false;
    report_change(&s->report, "systemctl disable --now %s", SERVICE_TIMER);
    s->changed = true;
    s->timer_enabled = s->timer_active = false;
    return true;
}

enum setup_exit service_timer_run(struct setup *s)
{
    struct fault f;
    report_begin(&s->report, "timer",
                 wants_timer(s) ? "starting " SERVICE_TIMER : "stopping " SERVICE_TIMER);
    bool fine = wants_timer(s) ? (s->timer_enabled || enable(s, SERVICE_TIMER, &f)) &&
                                     (s->timer_active || start(s, SERVICE_TIMER, "start", &f))
                               : end_timer(s, &f);
    report_end(&s->report);
    if (fine) {
        s->timer_enabled = s->timer_active = wants_timer(s);
        return EXIT_DONE;
    }
    if (stop_wanted())
        return EXIT_INTERRUPTED;
    report_found(&s->report, SEVERITY_FAIL, "service.timer",
                 "systemctl status " SERVICE_TIMER " says more; then run this again", "%s", f.text);
    return EXIT_SERVICE;
}
