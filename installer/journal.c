/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/journal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#define MAX_STEPS   64
#define MAX_CHANGES 1024

void journal_set(char **field, const char *value)
{
    char *copy = mem_strdup(value);
    free(*field);
    *field = copy;
}

static struct journal_step *find_step(const struct journal *j, const char *name)
{
    for (size_t i = 0; i < j->step_count; i++)
        if (strcmp(j->steps[i].name, name) == 0)
            return &j->steps[i];
    return NULL;
}

void journal_mark(struct journal *j, const char *step, enum journal_state state)
{
    struct journal_step *known = find_step(j, step);
    if (!known) {
        j->steps = mem_resize(j->steps, j->step_count + 1, sizeof *j->steps);
        known = &j->steps[j->step_count++];
        known->name = mem_strdup(step);
    }
    known->state = state;
}

bool journal_is_open(const struct journal *j, const char *step)
{
    const struct journal_step *known = find_step(j, step);
    return known && known->state == JOURNAL_STARTED;
}

void journal_add(struct journal *j, const char *what, const char *detail, const char *undo)
{
    for (size_t i = 0; i < j->change_count; i++)
        if (strcmp(j->changes[i].what, what) == 0 && strcmp(j->changes[i].detail, detail) == 0)
            return;
    j->changes = mem_resize(j->changes, j->change_count + 1, sizeof *j->changes);
    j->changes[j->change_count++] = (struct journal_change){
        .what = mem_strdup(what), .detail = mem_strdup(detail), .undo = mem_strdup(undo)};
}

static void free_change(struct journal_change *c)
{
    free(c->what);
    free(c->detail);
    free(c->undo);
}

void journal_drop(struct journal *j)
{
    if (j->change_count)
        free_change(&j->changes[--j->change_count]);
}

bool journal_raise(struct journal *j, const char *what, const char *start)
{
    for (size_t i = j->change_count; i-- > 0;) {
        struct journal_change c = j->changes[i];
        if (strcmp(c.what, what) != 0 || !text_starts(c.detail, start))
            continue;
        memmove(&j->changes[i], &j->changes[i + 1], (j->change_count - i - 1) * sizeof c);
        j->changes[j->change_count - 1] = c;
        return true;
    }
    return false;
}

void journal_begin(struct journal *j)
{
    j->pending = true;
    j->pending_from = j->change_count;
}

void journal_end(struct journal *j, bool undone)
{
    size_t kept = j->pending_from;
    for (size_t i = kept; undone && j->pending && i < j->change_count; i++) {
        if (strcmp(j->changes[i].what, "package") == 0)
            j->changes[kept++] = j->changes[i];
        else
            free_change(&j->changes[i]);
    }
    if (undone && j->pending && kept < j->change_count)
        j->change_count = kept;
    j->pending = false;
}

void journal_free(struct journal *j)
{
    for (size_t i = 0; i < j->step_count; i++)
        free(j->steps[i].name);
    for (size_t i = 0; i < j->change_count; i++)
        free_change(&j->changes[i]);
    free(j->steps);
    free(j->changes);
    free(j->domain);
    free(j->config);
    free(j->settings.ip4);
    free(j->settings.ip6);
    free(j->settings.map4);
    free(j->settings.map6);
    free(j->settings.region_code);
    free(j->settings.region_name);
    memset(j, 0, sizeof *j);
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static bool read_settings(json_t *from, struct journal_settings *s, struct fault *f)
{
    const char *ip4 = NULL, *ip6 = NULL, *map4 = NULL, *map6 = NULL, *code = NULL, *name = NULL;
    int no_ipv6 = 0, no_firewall = 0, id = 0;
    json_error_t e;
    if (!from)
        return true;
    if (json_unpack_ex(from, &e, 0, "{s?s, s?s, s?s, s?s, s?b, s?b, s?i, s?s, s?s}", "ip4", &ip4,
                       "ip6", &ip6, "map4", &map4, "map6", &map6, "no_ipv6", &no_ipv6,
                       "no_firewall", &no_firewall, "region_id", &id, "region_code", &code,
                       "region_name", &name) != 0)
        return fault_set(f, "settings: %s", e.text);
    if (id != 0 && (id < 900 || id > 999))
        return fault_set(f, "settings: region_id %d is not in 900..999", id);
    journal_set(&s->ip4, ip4);
    journal_set(&s->ip6, ip6);
    journal_set(&s->map4, map4);
    journal_set(&s->map6, map6);
    journal_set(&s->region_code, code);
    journal_set(&s->region_name, name);
    s->no_ipv6 = no_ipv6;
    s->no_firewall = no_firewall;
    s->region_id = (unsigned)id;
    return true;
}

static bool read_steps(json_t *from, struct journal *j, struct fault *f)
{
    const char *name;
    json_t *value;
    if (json_object_size(from) > MAX_STEPS)
        return fault_set(f, "more than %d steps", MAX_STEPS);
    json_object_foreach(from, name, value)
    {
        const char *state = json_string_value(value);
        if (!state || (strcmp(state, "done") != 0 && strcmp(state, "started") != 0))
            return fault_set(f, "step %.40s is neither started nor done", name);
        journal_mark(j, name, state[0] == 'd' ? JOURNAL_DONE : JOURNAL_STARTED);
    }
    return true;
}

static bool read_changes(json_t *from, struct journal *j, struct fault *f)
{
    size_t i;
    json_t *value;
    if (json_array_size(from) > MAX_CHANGES)
        return fault_set(f, "more than %d changes", MAX_CHANGES);
    json_array_foreach(from, i, value)
    {
        const char *what, *detail, *undo;
        if (json_unpack(value, "{s:s, s:s, s:s}", "what", &what, "detail", &detail, "undo",
                        &undo) != 0)
            return fault_set(f, "change %zu is not {what, detail, undo}", i + 1);
        journal_add(j, what, detail, undo);
    }
    return true;
}

static bool read_all(json_t *root, struct journal *j, struct fault *f)
{
    int schema = 0;
    const char *domain = NULL, *config = NULL;
    json_t *settings = NULL, *steps = NULL, *changes = NULL;
    json_int_t from = -1;
    json_error_t e;
    if (json_unpack_ex(root, &e, 0, "{s:i, s?s, s?s, s?o, s?o, s?o, s?I}", "schema", &schema,
                       "domain", &domain, "config", &config, "settings", &settings, "steps", &steps,
                       "changes", &changes, "pending_from", &from) != 0)
        return fault_set(f, "%s", e.text);
    if (schema != JOURNAL_SCHEMA)
        return fault_set(f, "schema %d, this program knows %d", schema, JOURNAL_SCHEMA);
    if ((steps && !json_is_object(steps)) || (changes && !json_is_array(changes)))
        return fault_set(f, "steps or changes have the wrong type");
    journal_set(&j->domain, domain);
    journal_set(&j->config, config);
    j->pending = from >= 0;
    j->pending_from = from >= 0 ? (size_t)from : 0;
    return read_settings(settings, &j->settings, f) && read_steps(steps, j, f) &&
           read_changes(changes, j, f);
}

bool journal_parse(const char *text, struct journal *j, struct fault *f)
{
    json_error_t e;
    memset(j, 0, sizeof *j);
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &e);
    if (!root)
        return fault_set(f, "line %d: %s", e.line, e.text);
    bool fine = read_all(root, j, f);
    if (!fine)
        journal_free(j);
    json_decref(root);
    return fine;
}

static void set_text(json_t *object, const char *key, const char *value)
{
    if (value)
        json_object_set_new(object, key, json_string(value));
}

static json_t *print_settings(const struct journal_settings *s)
{
    json_t *o = json_object();
    set_text(o, "ip4", s->ip4);
    set_text(o, "ip6", s->ip6);
    set_text(o, "map4", s->map4);
    set_text(o, "map6", s->map6);
    json_object_set_new(o, "no_ipv6", json_boolean(s->no_ipv6));
    json_object_set_new(o, "no_firewall", json_boolean(s->no_firewall));
    if (s->region_id)
        json_object_set_new(o, "region_id", json_integer(s->region_id));
    set_text(o, "region_code", s->region_code);
    set_text(o, "region_name", s->region_name);
    return o;
}

char *journal_print(const struct journal *j)
{
    json_t *root = json_pack("{s:i}", "schema", JOURNAL_SCHEMA);
    json_t *steps = json_object();
    json_t *changes = json_array();
    set_text(root, "domain", j->domain);
    set_text(root, "config", j->config);
    json_object_set_new(root, "settings", print_settings(&j->settings));
    for (size_t i = 0; i < j->step_count; i++)
        set_text(steps, j->steps[i].name, j->steps[i].state == JOURNAL_DONE ? "done" : "started");
    for (size_t i = 0; i < j->change_count; i++)
        json_array_append_new(changes,
                              json_pack("{s:s, s:s, s:s}", "what", j->changes[i].what, "detail",
                                        j->changes[i].detail, "undo", j->changes[i].undo));
    json_object_set_new(root, "steps", steps);
    json_object_set_new(root, "changes", changes);
    if (j->pending)
        json_object_set_new(root, "pending_from", json_integer((json_int_t)j->pending_from));
    char *text = json_dumps(root, JSON_INDENT(2));
    char *line = mem_printf("%s\n", text ? text : "{}");
    free(text);
    json_decref(root);
    return line;
}

/* --- The file ----------------------------------------------------------------------------------
 */

bool journal_load(const char *path, struct journal *j, struct fault *f)
{
    struct buf text;
    struct fault why;
    memset(j, 0, sizeof *j);
    if (!file_exists(path))
        return true;
    buf_init(&text, JOURNAL_MAX);
    bool fine = file_read(path, &text, f);
    if (fine && !journal_parse(buf_text(&text), j, &why))
        fine = fault_set(f, "%s: %s", path, why.text);
    buf_free(&text);
    return fine;
}

bool journal_save(const char *path, const struct journal *j, struct fault *f)
{
    struct buf old;
    char *text = journal_print(j);
    buf_init(&old, JOURNAL_MAX);
    bool same =
        file_exists(path) && file_read(path, &old, NULL) && strcmp(buf_text(&old), text) == 0;
    bool fine = same || file_write(path, text, strlen(text), 0600, f);
    buf_free(&old);
    free(text);
    return fine;
}
