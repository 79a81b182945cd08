/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inih splits lines into section, key and value. It is fed line by line, because only so do we know
 * the line's number in its callback (builds of inih differ in whether they pass it), and because it
 * silently splits lines longer than its buffer. Comments are cut here too: inih knows only " ;".
 */
#include "base/settings.h"

#include <ini.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/translate.h"

#define LINE_LONGEST 4000 /* without comment */

struct reading {
    const char *name;
    const char *next; /* rest of the text */
    int line;         /* number of the line that inih works on */
    const struct setting *rows;
    size_t count;
    int *seen; /* per row: line where it was set, or 0 */
    void *object;
    char *long_value; /* of a line that does not fit into inih's buffer; else NULL */
    int failed_line;  /* 0 while all is well */
    struct fault reason;
};

/* --- Errors ------------------------------------------------------------------------------------
 */

/* Remembers the first fault; stops the reading. */
static void fail(struct reading *in, const char *reason)
{
    if (in->failed_line)
        return;
    in->failed_line = in->line;
    fault_set(&in->reason, "%s", reason);
}

static const char *show(const char *s, char *text, size_t cap)
{
    text_printable(s, strlen(s), text, cap);
    return text;
}

static bool section_known(const struct reading *in, const char *section)
{
    for (size_t i = 0; i < in->count; i++) {
        if (strcmp(in->rows[i].section, section) == 0)
            return true;
    }
    return false;
}

static void fail_section(struct reading *in, const char *section)
{
    char text[400];
    char shown[80];
    translate_print(text, sizeof text, "unknown section [%s]; there are",
                    show(section, shown, sizeof shown));
    for (size_t i = 0; i < in->count; i++) {
        /* Rows of a section stand together. */
        if (i == 0 || strcmp(in->rows[i].section, in->rows[i - 1].section) != 0)
            translate_append(text, sizeof text, " [%s]", in->rows[i].section);
    }
    fail(in, text);
}

static void fail_key(struct reading *in, const char *section, const char *key)
{
    char text[400];
    char shown[80];
    translate_print(text, sizeof text, "unknown key \"%s\" in [%s]; it has",
                    show(key, shown, sizeof shown), section);
    for (size_t i = 0; i < in->count; i++) {
        if (strcmp(in->rows[i].section, section) == 0)
            translate_append(text, sizeof text, " %s", in->rows[i].key);
    }
    fail(in, text);
}

/* --- Lines -------------------------------------------------------------------------------------
 */

/* Length of a line without its comment and without white space at its end. */
static size_t content_length(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool after_space = i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t';
        if ((line[i] == '#' || line[i] == ';') && after_space) {
            n = i;
            break;
        }
    }
    while (n > 0 && strchr(" \t\r\f\v", line[n - 1]))
        n--;
    return n;
}

/* A section's line is checked here: inih tells of a section only with its first key. */
static void check_section(struct reading *in, const char *line)
{
    char section[64];
    const char *end = strchr(line, ']');
    if (!end || end[1] != '\0') {
        fail(in, "expected [section] alone on the line");
        return;
    }
    snprintf(section, sizeof section, "%.*s", (int)(end - line - 1), line + 1);
    if (!section_known(in, section))
        fail_section(in, section);
}

/* inih takes some 200 bytes: of a longer line it gets the key alone, and take_value the value. */
static size_t set_value_aside(struct reading *in, const char *line, size_t n, size_t room)
{
    size_t key = strcspn(line, "=:\n"); /* as inih ends it */
    const char *value = line + key + 1;

    if (n > LINE_LONGEST || key >= n || key + 1 > room) {
        char text[80];
        size_t most = n > LINE_LONGEST ? LINE_LONGEST : room;
        translate_print(text, sizeof text, "the line is longer than %zu characters", most);
        fail(in, text);
        return 0;
    }
    value += strspn(value, " \t");
    n -= (size_t)(value - line);
    in->long_value = mem_alloc(n + 1, 1);
    memcpy(in->long_value, value, n);
    return key + 1;
}

/* ini_reader: puts the next line into str; NULL ends the reading. */
static char *next_line(char *str, int num, void *stream)
{
    struct reading *in = stream;
    if (in->failed_line || *in->next == '\0')
        return NULL;

    in->line++;
    const char *line = in->next;
    size_t n = strcspn(line, "\n");
    in->next += n + (line[n] == '\n');
    while (n > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        n--;
    }
    n = content_length(line, n);
    if (n + 2 > (size_t)num)
        n = set_value_aside(in, line, n, (size_t)num - 2);
    if (in->failed_line)
        return NULL;
    memcpy(str, line, n);
    str[n] = '\0';
    if (str[0] == '[')
        check_section(in, str);
    if (in->failed_line)
        return NULL;
    str[n] = '\n';
    str[n + 1] = '\0';
    return str;
}

/* ini_handler: non-zero is success. */
static int take_value(void *user, const char *section, const char *key, const char *value)
{
    struct reading *in = user;
    if (in->failed_line)
        return 0;
    if (!section[0]) {
        fail(in, "a key stands before the first [section]");
        return 0;
    }

    size_t i = 0;
    while (i < in->count &&
           (strcmp(in->rows[i].section, section) != 0 || strcmp(in->rows[i].key, key) != 0))
        i++;
    if (i == in->count) {
        fail_key(in, section, key);
        return 0;
    }

    char text[sizeof in->reason.text];
    const struct setting *row = &in->rows[i];
    const char *whole = in->long_value ? in->long_value : value ? value : "";
    struct fault reason = {.text = N_("bad value")};
    if (in->seen[i]) {
        translate_print(text, sizeof text, "%s is given twice, first in line %d", key, in->seen[i]);
        fail(in, text);
    } else if (!row->parse(whole, (char *)in->object + row->offset, &reason)) {
        translate_print(text, sizeof text, "%s: %s", key, reason.text);
        fail(in, text);
    }
    in->seen[i] = in->line;
    free(in->long_value);
    in->long_value = NULL;
    return in->failed_line == 0;
}

bool settings_read(const char *name, const char *text, const struct setting *rows, size_t count,
                   void *object, struct fault *f)
{
    struct reading in = {
        .name = name, .next = text, .rows = rows, .count = count, .object = object};
    if (text_starts(text, "\xef\xbb\xbf"))
        in.next += 3;
    in.seen = mem_alloc(count, sizeof *in.seen);
    int line = ini_parse_stream(next_line, &in, take_value, &in);
    free(in.seen);
    free(in.long_value);

    /* inih reports the first line it could not read, which may come before ours. */
    if (line > 0 && (!in.failed_line || line < in.failed_line))
        return fault_set(f, "%s:%d: expected [section], key = value or a comment", name, line);
    if (line < 0)
        return fault_set(f, "%s: out of memory", name);
    if (in.failed_line)
        return fault_set(f, "%s:%d: %s", name, in.failed_line, in.reason.text);
    return true;
}

/* --- Ready parsers -----------------------------------------------------------------------------
 */

bool setting_string(const char *value, void *target, struct fault *f)
{
    (void)f;
    char **field = target;
    free(*field);
    *field = value[0] ? mem_strdup(value) : NULL;
    return true;
}

bool setting_path(const char *value, void *target, struct fault *f)
{
    for (const char *p = value; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return fault_set(f, "a path has no control characters");
    }
    return setting_string(value, target, f);
}

bool setting_bool(const char *value, void *target, struct fault *f)
{
    static const char *const words[] = {"no", "yes", "off", "on", "false", "true", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(value, words[i]) == 0) {
            *(bool *)target = i % 2 == 1;
            return true;
        }
    }
    char shown[80];
    return fault_set(f, "expected yes or no, found \"%s\"", show(value, shown, sizeof shown));
}

bool setting_rate(const char *value, void *target, struct fault *f)
{
    if (strcmp(value, "off") == 0) {
        *(uint64_t *)target = 0;
        return true;
    }
    if (text_rate(value, target))
        return true;
    char shown[80];
    return fault_set(f, "expected a rate such as 4mbit, 512kbit or 1gbit, or off; found \"%s\"",
                     show(value, shown, sizeof shown));
}
