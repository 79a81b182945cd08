/* SPDX-License-Identifier: Apache-2.0 */
#include "base/finding.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/translate.h"

size_t finding_add(struct findings *all, enum severity severity, const char *id, const char *format,
                   ...)
{
    va_list args;
    va_start(args, format);
    char *shown = translate_format(format, args);
    char *message = mem_vprintf(format, args);
    va_end(args);

    all->list = mem_resize(all->list, all->count + 1, sizeof *all->list);
    all->list[all->count] = (struct finding){
        .severity = severity,
        .id = mem_strdup(id),
        .message = message,
        .shown_message = shown,
    };
    return all->count++;
}

void finding_fix(struct findings *all, size_t index, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct finding *one = &all->list[index];
    char *shown = translate_format(format, args);
    char *fix = mem_vprintf(format, args);
    va_end(args);
    free(one->fix);
    free(one->shown_fix);
    one->fix = fix;
    one->shown_fix = shown;
}

void findings_move(struct findings *all, struct findings *from)
{
    if (from->count > 0) {
        all->list = mem_resize(all->list, all->count + from->count, sizeof *all->list);
        memcpy(all->list + all->count, from->list, from->count * sizeof *from->list);
        all->count += from->count;
    }
    free(from->list);
    *from = (struct findings){0};
}

enum severity findings_worst(const struct findings *all)
{
    enum severity worst = SEVERITY_OK;
    for (size_t i = 0; i < all->count; i++) {
        if (all->list[i].severity > worst)
            worst = all->list[i].severity;
    }
    return worst;
}

const struct finding *findings_get(const struct findings *all, const char *id)
{
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->list[i].id, id) == 0)
            return &all->list[i];
    }
    return NULL;
}

const char *severity_name(enum severity severity)
{
    switch (severity) {
    case SEVERITY_OK:
        return "ok";
    case SEVERITY_SKIP:
        return "skip";
    case SEVERITY_WARN:
        return "warn";
    case SEVERITY_FAIL:
        return "fail";
    }
    return "fail";
}

/* A text of several lines stays under its indentation. */
static void print_indented(const char *s, const char *indent, FILE *out)
{
    for (; *s; s++) {
        fputc(*s, out);
        if (*s == '\n' && s[1])
            fputs(indent, out);
    }
}

const char *finding_shown_message(const struct finding *one)
{
    return one->shown_message ? one->shown_message : one->message;
}

const char *finding_shown_fix(const struct finding *one)
{
    return one->shown_fix ? one->shown_fix : one->fix;
}

static void print(const struct finding *one, const char *message, const char *fix, FILE *out)
{
    fprintf(out, "[%s] %s: ", severity_name(one->severity), one->id);
    print_indented(message, "       ", out);
    if (fix) {
        fputs("\n       fix: ", out);
        print_indented(fix, "            ", out);
    }
    fputc('\n', out);
}

void finding_show(const struct finding *one, FILE *out)
{
    print(one, finding_shown_message(one), finding_shown_fix(one), out);
}

void finding_print(const struct finding *one, FILE *out)
{
    print(one, one->message, one->fix, out);
}

/* JSON is UTF-8; a text that is not (a foreign certificate's, say) is shown as \xNN. */
static json_t *json_text(const char *s)
{
    if (!s)
        return json_null();
    json_t *value = json_string(s);
    if (value)
        return value;
    size_t cap = strlen(s) * 4 + 1;
    char *printable = mem_alloc(cap, 1);
    text_printable(s, strlen(s), printable, cap);
    value = json_string(printable);
    free(printable);
    return value;
}

char *findings_json(const struct findings *all)
{
    json_t *array = json_array();
    for (size_t i = 0; i < all->count; i++) {
        const struct finding *one = &all->list[i];
        json_t *object = json_object();
        json_object_set_new(object, "id", json_text(one->id));
        json_object_set_new(object, "status", json_string(severity_name(one->severity)));
        json_object_set_new(object, "message", json_text(one->message));
        json_object_set_new(object, "fix", json_text(one->fix));
        json_array_append_new(array, object);
    }
    char *dumped = json_dumps(array, JSON_COMPACT);
    json_decref(array);
    return dumped ? dumped : mem_strdup("[]");
}

void findings_free(struct findings *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->list[i].id);
        free(all->list[i].message);
        free(all->list[i].fix);
        free(all->list[i].shown_message);
        free(all->list[i].shown_fix);
    }
    free(all->list);
    *all = (struct findings){0};
}
