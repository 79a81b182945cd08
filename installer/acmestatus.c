/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/acmestatus.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/run.h"
#include "base/text.h"
#include "base/translate.h"
#include "installer/certificate.h"
#include "installer/stop.h"
#include "installer/wrap.h"

#define STATUS_MS   10000
#define TYPE_PREFIX "urn:ietf:params:acme:error:"

static void read_text(const json_t *object, const char *name, char *text, size_t cap)
{
    const char *value = json_string_value(json_object_get(object, name));
    text[0] = '\0';
    if (value)
        wrap_clean(value, text, cap);
}

static time_t read_time(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    time_t t;
    return value && clock_parse(value, &t) ? t : 0;
}

bool acmestatus_parse(const char *text, struct acmestatus *st, struct fault *f)
{
    json_error_t e;
    memset(st, 0, sizeof *st);
    json_t *root = json_loads(text, 0, &e);
    if (!json_is_object(root)) {
        json_decref(root);
        return fault_set(f, "derp-acme status: not a JSON object");
    }
    const json_t *certificate = json_object_get(root, "certificate");
    const json_t *problem = json_object_get(root, "problem");
    st->good = json_is_true(json_object_get(certificate, "good"));
    st->not_before = read_time(certificate, "not_before");
    st->not_after = read_time(certificate, "not_after");
    st->renew_at = read_time(root, "renew_at");
    st->next_try = read_time(root, "next_try");
    read_text(root, "next", st->next, sizeof st->next);
    read_text(problem, "text", st->problem, sizeof st->problem);
    read_text(problem, "type", st->type, sizeof st->type);
    if (text_starts(st->type, TYPE_PREFIX))
        memmove(st->type, st->type + strlen(TYPE_PREFIX),
                strlen(st->type + strlen(TYPE_PREFIX)) + 1);
    st->failed = *st->problem != '\0';
    st->failed_at = read_time(problem, "at");
    json_int_t failures = json_integer_value(json_object_get(problem, "failures"));
    st->failures = failures > 0 && failures < 1000000 ? (unsigned)failures : 0;
    json_decref(root);
    return true;
}

/* "", or " at 2026-11-23T08:39:54Z, the 3rd time in a row" and the like. */
static void when_failed(const struct acmestatus *st, char *text, size_t cap)
{
    char at[CLOCK_TEXT];
    text[0] = '\0';
    if (st->failed_at)
        translate_append(text, cap, " at %s", clock_print(st->failed_at, at));
    if (st->failures > 1)
        translate_append(text, cap, ", %u times in a row", st->failures);
}

void acmestatus_judge(const struct acmestatus *st, time_t now, struct findings *all)
{
    char due[CLOCK_TEXT], next[CLOCK_TEXT], when[80];
    bool waits = st->next_try > now;
    clock_print(st->renew_at, due);
    clock_print(st->next_try, next);
    if (st->failed) {
        when_failed(st, when, sizeof when);
        size_t at =
            finding_add(all, st->good ? SEVERITY_WARN : SEVERITY_FAIL, "certificate.problem",
                        "the last try for a new one failed%s: %s", when, st->problem);
        finding_fix(all, at,
                    "see to the cause; it is tried again by itself, `derp-setup renew` does so "
                    "at once");
    }
    if (waits)
        finding_add(all, SEVERITY_OK, "certificate.next", "the next try is not before %s", next);
    else if (st->good && st->renew_at > now)
        finding_add(all, SEVERITY_OK, "certificate.next", "it will be renewed from %s on", due);
    else if (*st->next)
        finding_add(all, SEVERITY_OK, "certificate.next",
                    "%s; the timer tries within the hour (`derp-setup renew`: at once)", st->next);
}

bool acmestatus_read(struct acmestatus *st, struct fault *f)
{
    const char *const argv[] = {CERTIFICATE_AS_ACME, "derp-acme", "--json", "status", NULL};
    struct run_options opt = {.timeout_ms = STATUS_MS, .stop = stop_flag()};
    struct run_result r;
    struct fault why;
    char how[256];
    memset(st, 0, sizeof *st);
    bool fine = run(argv, &opt, &r, f);
    /* Exit code 1 is "no good certificate", which is an answer. */
    if (fine && !acmestatus_parse(buf_text(&r.out), st, &why)) {
        run_explain(&r, how, sizeof how);
        fine = fault_set(f, "%s (%s)", why.text, how);
    }
    run_free(&r);
    return fine;
}
