/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/state.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "acme/header.h"
#include "base/clock.h"
#include "base/mem.h"

static const char *const phases[PHASES] = {
    [PHASE_IDLE] = "idle",
    [PHASE_ORDERING] = "ordering",
    [PHASE_AUTHORIZING] = "authorizing",
    [PHASE_FINALIZING] = "finalizing",
    [PHASE_DOWNLOADING] = "downloading",
    [PHASE_INSTALLING] = "installing",
    [PHASE_PROVING] = "proving",
};

const char *phase_name(enum phase phase)
{
    return phase < PHASES ? phases[phase] : "unknown";
}

void state_set(char **field, const char *value)
{
    char *copy = mem_strdup(value);
    free(*field);
    *field = copy;
}

void state_drop_order(struct state *s)
{
    s->phase = PHASE_IDLE;
    s->generation = 0;
    s->previous = 0;
    state_set(&s->directory, NULL);
    state_set(&s->domain, NULL);
    state_set(&s->profile, NULL);
    state_set(&s->order, NULL);
}

void state_free(struct state *s)
{
    state_drop_order(s);
    free(s->hook_name);
    free(s->hook_value);
    free(s->issued_by);
    free(s->revoked);
    free(s->problem_type);
    free(s->problem);
    *s = (struct state){0};
}

/* --- Reading ---------------------------------------------------------------------------------- */

static char *string_of(const json_t *root, const char *name)
{
    return mem_strdup(json_string_value(json_object_get(root, name)));
}

static unsigned number_of(const json_t *root, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(root, name));
    return n < 0 ? 0 : n > INT_MAX ? INT_MAX : (unsigned)n;
}

static time_t time_of(const json_t *root, const char *name)
{
    time_t t = 0;
    const char *s = json_string_value(json_object_get(root, name));
    return s && clock_parse(s, &t) ? t : 0;
}

static bool phase_of(const json_t *root, enum phase *phase)
{
    const char *name = json_string_value(json_object_get(root, "phase"));
    for (*phase = 0; name && *phase < PHASES; ++*phase) {
        if (strcmp(name, phases[*phase]) == 0)
            return true;
    }
    return false;
}

static void read_fields(const json_t *root, struct state *s)
{
    const char *class = json_string_value(json_object_get(root, "class"));
    s->directory = string_of(root, "directory");
    s->domain = string_of(root, "domain");
    s->profile = string_of(root, "profile");
    s->order = string_of(root, "order");
    s->generation = number_of(root, "generation");
    s->previous = number_of(root, "previous");
    s->hook_name = string_of(root, "hook_name");
    s->hook_value = string_of(root, "hook_value");
    s->issued_by = string_of(root, "issued_by");
    s->revoked = string_of(root, "revoked");
    s->issued_at = time_of(root, "issued_at");
    s->failures = number_of(root, "failures");
    s->class = class ? failure_named(class) : FAILURE_NONE;
    if (s->class == FAILURE_CLASSES)
        s->class = FAILURE_PROTOCOL;
    s->failed_at = time_of(root, "failed_at");
    s->next_try = time_of(root, "next_try");
    s->problem_type = string_of(root, "problem_type");
    s->problem = string_of(root, "problem");
}

/* What a phase cannot do without. */
static bool consistent(const struct state *s)
{
    if (s->phase == PHASE_IDLE)
        return true;
    if (!s->directory || !s->domain)
        return false;
    if (s->phase >= PHASE_AUTHORIZING && (!s->order || !header_is_url(s->order)))
        return false;
    return s->phase != PHASE_PROVING || s->generation > 0;
}

bool state_parse(const void *json, size_t n, struct state *s, bool *newer, struct fault *f)
{
    json_error_t error;
    *s = (struct state){0};
    *newer = false;
    json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return fault_set(f, "it is not JSON: %s", error.text);
    json_int_t schema = json_integer_value(json_object_get(root, "schema"));
    bool ok = schema == STATE_SCHEMA && phase_of(root, &s->phase);
    if (ok) {
        read_fields(root, s);
        ok =
            consistent(s) || fault_set(f, "its phase %s lacks what it needs", phase_name(s->phase));
    } else {
        *newer = schema > STATE_SCHEMA;
        fault_set(f, *newer ? "it was written by a later version of derp-acme"
                            : "it is not a state file of derp-acme");
    }
    json_decref(root);
    if (!ok)
        state_free(s);
    return ok;
}

/* --- Printing --------------------------------------------------------------------------------- */

static void put_string(json_t *root, const char *name, const char *value)
{
    if (value)
        json_object_set_new(root, name, json_string(value));
}

static void put_number(json_t *root, const char *name, unsigned value)
{
    if (value)
        json_object_set_new(root, name, json_integer(value));
}

static void put_time(json_t *root, const char *name, time_t t)
{
    char text[CLOCK_TEXT];
    if (t)
        json_object_set_new(root, name, json_string(clock_print(t, text)));
}

static char *dump(json_t *root)
{
    char *text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    char *line = mem_printf("%s\n", text ? text : "{}");
    free(text);
    return line;
}

char *state_print(const struct state *s)
{
    json_t *root = json_pack("{s:i, s:s}", "schema", STATE_SCHEMA, "phase", phase_name(s->phase));
    put_string(root, "directory", s->directory);
    put_string(root, "domain", s->domain);
    put_string(root, "profile", s->profile);
    put_string(root, "order", s->order);
    put_number(root, "generation", s->generation);
    put_number(root, "previous", s->previous);
    put_string(root, "hook_name", s->hook_name);
    put_string(root, "hook_value", s->hook_value);
    put_string(root, "issued_by", s->issued_by);
    put_string(root, "revoked", s->revoked);
    put_time(root, "issued_at", s->issued_at);
    put_number(root, "failures", s->failures);
    if (s->class != FAILURE_NONE)
        put_string(root, "class", failure_name(s->class));
    put_time(root, "failed_at", s->failed_at);
    put_time(root, "next_try", s->next_try);
    put_string(root, "problem_type", s->problem_type);
    put_string(root, "problem", s->problem);
    return dump(root);
}

/* --- Account ---------------------------------------------------------------------------------- */

bool account_parse(const void *json, size_t n, struct account *a, struct fault *f)
{
    json_error_t error;
    *a = (struct account){0};
    json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES, &error);
    a->directory = string_of(root, "directory");
    a->url = string_of(root, "url");
    json_decref(root);
    if (a->directory && a->url && header_is_url(a->url))
        return true;
    account_free(a);
    return fault_set(f, "it does not tell directory and url");
}

char *account_print(const struct account *a)
{
    return dump(json_pack("{s:i, s:s, s:s}", "schema", STATE_SCHEMA, "directory", a->directory,
                          "url", a->url));
}

void account_free(struct account *a)
{
    free(a->directory);
    free(a->url);
    *a = (struct account){0};
}
