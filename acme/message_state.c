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
    state_set(&s->account, NULL);
    s->ordered_at = 0;
    s->suggested = false;
    s->exempt = false;
    s->downloads = 0;
    s->stalls = 0;
}

void state_free(struct state *s)
{
    state_drop_order(s);
    free(s->leftover);
    free(s->leftover_ca);
    free(s->leftover_account);
    free(s->hook_name);
    free(s->hook_value);
    for (size_t i = 0; i < STATE_STALE; i++) {
        free(s->stale[i].name);
        free(s->stale[i].value);
    }
    for (size_t i = 0; i < STATE_CAS; i++)
        state_free_ca(&s->cas[i]);
    ari_free(&s->ari);
    free(s->issued_by);
    free(s->issued_account);
    free(s->revoked);
    free(s->problem_type);
    free(s->problem);
    free(s->failed_ca);
    *s = (struct state){0};
}

void state_free_ca(struct ca_record *r)
{
    free(r->directory);
    for (size_t i = 0; i < STATE_NAMES; i++)
        free(r->issued[i].name);
    *r = (struct ca_record){0};
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

/* A class by its name; FAILURE_PROTOCOL for one that is unknown here. */
static enum failure_class class_of(const json_t *root, const char *name)
{
    const char *class = json_string_value(json_object_get(root, name));
    enum failure_class known = class ? failure_named(class) : FAILURE_NONE;
    return known == FAILURE_CLASSES ? FAILURE_PROTOCOL : known;
}

static void read_issued(const json_t *root, struct ca_record *r)
{
    size_t i, count = 0;
    json_t *one;
    json_array_foreach(json_object_get(root, "issued"), i, one)
    {
        struct issued got = {.at = time_of(one, "at"), .whole_at = time_of(one, "whole_at")};
        if (count == STATE_NAMES || got.at == 0)
            continue;
        got.name = string_of(one, "name");
        r->issued[count++] = got;
    }
    /* Of a version that did not tell names apart. */
    time_t whole_at = time_of(root, "whole_at");
    if (count == 0 && whole_at && r->issued_at)
        r->issued[0] = (struct issued){.at = r->issued_at, .whole_at = whole_at};
}

static void read_ca(const json_t *root, struct ca_record *r)
{
    const json_t *failures = json_object_get(root, "failures");
    r->directory = string_of(root, "directory");
    for (enum failure_class c = FAILURE_NONE + 1; c < FAILURE_CLASSES; c++)
        r->failures[c] = number_of(failures, failure_name(c));
    r->class = class_of(root, "class");
    r->failing_since = time_of(root, "failing_since");
    r->failed_at = time_of(root, "failed_at");
    r->next_try = time_of(root, "next_try");
    r->enrolled = json_is_true(json_object_get(root, "enrolled"));
    r->profile_denied = json_is_true(json_object_get(root, "profile_denied"));
    r->issued_at = time_of(root, "issued_at");
    read_issued(root, r);
}

static void read_cas(const json_t *array, struct state *s)
{
    size_t i, count = 0;
    json_t *one;
    json_array_foreach(array, i, one)
    {
        if (count < STATE_CAS && json_is_string(json_object_get(one, "directory")))
            read_ca(one, &s->cas[count++]);
    }
}

static void read_stale(const json_t *array, struct state *s)
{
    size_t i, count = 0;
    json_t *one;
    json_array_foreach(array, i, one)
    {
        struct stale r = {.name = string_of(one, "name"), .value = string_of(one, "value")};
        r.tries = number_of(one, "tries");
        r.next_try = time_of(one, "next_try");
        if (r.name && r.value && count < STATE_STALE) {
            s->stale[count++] = r;
        } else {
            free(r.name);
            free(r.value);
        }
    }
}

static void read_ari(const json_t *root, struct ari *a)
{
    a->cert_id = string_of(root, "cert_id");
    a->start = time_of(root, "start");
    a->end = time_of(root, "end");
    a->pick = time_of(root, "pick");
    a->next_look = time_of(root, "next_look");
    a->failures = number_of(root, "failures");
    a->explanation = string_of(root, "explanation");
    /* A moment without its window says nothing. */
    if (a->end <= a->start || a->pick < a->start || a->pick >= a->end)
        a->start = a->end = a->pick = 0;
}

static void read_told(const json_t *root, struct told *t)
{
    t->expiring = time_of(root, "expiring");
    const json_t *failed = json_object_get(root, "failed");
    for (enum failure_class c = FAILURE_NONE + 1; c < FAILURE_CLASSES; c++)
        t->failed[c] = time_of(failed, failure_name(c));
}

/* Schema 1 kept the next try for whichever CA it was: the one of the order, or of the
 * certificate. */
static void migrate(struct state *s)
{
    struct ca_record *r = &s->cas[0];
    const char *directory = s->directory ? s->directory : s->issued_by;
    if (!directory || s->class == FAILURE_NONE || r->directory)
        return;
    r->directory = mem_strdup(directory);
    r->failures[s->class] = s->failures;
    r->class = s->class;
    r->failing_since = r->failed_at = s->failed_at;
    r->next_try = s->next_try;
    s->total = s->failures;
}

static void read_fields(const json_t *root, struct state *s)
{
    s->directory = string_of(root, "directory");
    s->domain = string_of(root, "domain");
    s->profile = string_of(root, "profile");
    s->order = string_of(root, "order");
    s->account = string_of(root, "account");
    s->ordered_at = time_of(root, "ordered_at");
    s->suggested = json_is_true(json_object_get(root, "suggested"));
    s->exempt = json_is_true(json_object_get(root, "exempt"));
    s->downloads = number_of(root, "downloads");
    s->stalls = number_of(root, "stalls");
    s->unfinished = number_of(root, "unfinished");
    s->begun_at = time_of(root, "begun_at");
    s->generation = number_of(root, "generation");
    s->previous = number_of(root, "previous");
    s->leftover = string_of(root, "leftover");
    s->leftover_ca = string_of(root, "leftover_ca");
    s->leftover_account = string_of(root, "leftover_account");
    s->hook_name = string_of(root, "hook_name");
    s->hook_value = string_of(root, "hook_value");
    s->issued_by = string_of(root, "issued_by");
    s->issued_account = string_of(root, "issued_account");
    s->revoked = string_of(root, "revoked");
    s->issued_at = time_of(root, "issued_at");
    s->lifetime = number_of(root, "lifetime");
    s->suggested_at = time_of(root, "suggested_at");
    s->last_seen = time_of(root, "last_seen");
    s->failures = number_of(root, "failures");
    s->total = number_of(root, "total");
    s->class = class_of(root, "class");
    s->failed_at = time_of(root, "failed_at");
    s->next_try = time_of(root, "next_try");
    s->problem_type = string_of(root, "problem_type");
    s->problem = string_of(root, "problem");
    s->failed_ca = string_of(root, "failed_ca");
    read_ari(json_object_get(root, "ari"), &s->ari);
    read_cas(json_object_get(root, "cas"), s);
    read_stale(json_object_get(root, "stale"), s);
    read_told(json_object_get(root, "told"), &s->told);
}

/* What a phase cannot do without. */
static bool consistent(const struct state *s)
{
    if (s->leftover && !header_is_url(s->leftover))
        return false;
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
    bool ok = schema >= 1 && schema <= STATE_SCHEMA && phase_of(root, &s->phase);
    if (ok) {
        read_fields(root, s);
        if (schema == 1)
            migrate(s);
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

static void put_flag(json_t *root, const char *name, bool value)
{
    if (value)
        json_object_set_new(root, name, json_true());
}

static void put_class(json_t *root, const char *name, enum failure_class class)
{
    if (class != FAILURE_NONE)
        put_string(root, name, failure_name(class));
}

/* Adds an object or array that holds something, and takes it over. */
static void put_object(json_t *root, const char *name, json_t *value)
{
    if (json_object_size(value) > 0 || json_array_size(value) > 0)
        json_object_set_new(root, name, value);
    else
        json_decref(value);
}

static json_t *issued_array(const struct ca_record *r)
{
    json_t *array = json_array();
    for (size_t i = 0; i < STATE_NAMES; i++) {
        const struct issued *got = &r->issued[i];
        if (got->at == 0)
            continue;
        json_t *one = json_object();
        put_string(one, "name", got->name);
        put_time(one, "at", got->at);
        put_time(one, "whole_at", got->whole_at);
        json_array_append_new(array, one);
    }
    return array;
}

static json_t *ca_object(const struct ca_record *r)
{
    json_t *one = json_pack("{s:s}", "directory", r->directory);
    json_t *failures = json_object();
    for (enum failure_class c = FAILURE_NONE + 1; c < FAILURE_CLASSES; c++)
        put_number(failures, failure_name(c), r->failures[c]);
    put_object(one, "failures", failures);
    put_class(one, "class", r->class);
    put_time(one, "failing_since", r->failing_since);
    put_time(one, "failed_at", r->failed_at);
    put_time(one, "next_try", r->next_try);
    put_time(one, "issued_at", r->issued_at);
    put_object(one, "issued", issued_array(r));
    put_flag(one, "enrolled", r->enrolled);
    put_flag(one, "profile_denied", r->profile_denied);
    return one;
}

static json_t *cas_array(const struct state *s)
{
    json_t *array = json_array();
    for (size_t i = 0; i < STATE_CAS; i++) {
        if (s->cas[i].directory)
            json_array_append_new(array, ca_object(&s->cas[i]));
    }
    return array;
}

static json_t *stale_array(const struct state *s)
{
    json_t *array = json_array();
    for (size_t i = 0; i < STATE_STALE; i++) {
        const struct stale *r = &s->stale[i];
        if (!r->name || !r->value)
            continue;
        json_t *one = json_pack("{s:s, s:s}", "name", r->name, "value", r->value);
        put_number(one, "tries", r->tries);
        put_time(one, "next_try", r->next_try);
        json_array_append_new(array, one);
    }
    return array;
}

static json_t *ari_object(const struct ari *a)
{
    json_t *one = json_object();
    put_string(one, "cert_id", a->cert_id);
    put_time(one, "start", a->start);
    put_time(one, "end", a->end);
    put_time(one, "pick", a->pick);
    put_time(one, "next_look", a->next_look);
    put_number(one, "failures", a->failures);
    put_string(one, "explanation", a->explanation);
    return one;
}

static json_t *told_object(const struct told *t)
{
    json_t *one = json_object(), *failed = json_object();
    for (enum failure_class c = FAILURE_NONE + 1; c < FAILURE_CLASSES; c++)
        put_time(failed, failure_name(c), t->failed[c]);
    put_time(one, "expiring", t->expiring);
    put_object(one, "failed", failed);
    return one;
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
    put_string(root, "account", s->account);
    put_time(root, "ordered_at", s->ordered_at);
    put_flag(root, "suggested", s->suggested);
    put_flag(root, "exempt", s->exempt);
    put_number(root, "downloads", s->downloads);
    put_number(root, "stalls", s->stalls);
    put_number(root, "unfinished", s->unfinished);
    put_time(root, "begun_at", s->begun_at);
    put_number(root, "generation", s->generation);
    put_number(root, "previous", s->previous);
    put_string(root, "leftover", s->leftover);
    put_string(root, "leftover_ca", s->leftover_ca);
    put_string(root, "leftover_account", s->leftover_account);
    put_string(root, "hook_name", s->hook_name);
    put_string(root, "hook_value", s->hook_value);
    put_string(root, "issued_by", s->issued_by);
    put_string(root, "issued_account", s->issued_account);
    put_string(root, "revoked", s->revoked);
    put_time(root, "issued_at", s->issued_at);
    put_number(root, "lifetime", s->lifetime);
    put_time(root, "suggested_at", s->suggested_at);
    put_time(root, "last_seen", s->last_seen);
    put_number(root, "failures", s->failures);
    put_number(root, "total", s->total);
    put_class(root, "class", s->class);
    put_time(root, "failed_at", s->failed_at);
    put_time(root, "next_try", s->next_try);
    put_string(root, "problem_type", s->problem_type);
    put_string(root, "problem", s->problem);
    put_string(root, "failed_ca", s->failed_ca);
    put_object(root, "ari", ari_object(&s->ari));
    put_object(root, "cas", cas_array(s));
    put_object(root, "stale", stale_array(s));
    put_object(root, "told", told_object(&s->told));
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
    return dump(
        json_pack("{s:i, s:s, s:s}", "schema", 1, "directory", a->directory, "url", a->url));
}

void account_free(struct account *a)
{
    free(a->directory);
    free(a->url);
    *a = (struct account){0};
}
