/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/confedit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char *confedit_template(void)
{
    return "# Made by derp-setup; derp.conf(5) explains every option. Edit at will: derp-setup\n"
           "# changes only the values that its flags name. Afterwards:\n"
           "#     derpd --check && systemctl reload derpd\n"
           "\n"
           "[relay]\n"
           "\n"
           "[certificate]\n"
           "source = acme\n"
           "\n"
           "[acme]\n"
           "\n"
           "[admission]\n";
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* One line of the text, without its line break. */
struct line {
    const char *start;
    size_t len;
    size_t key_at, key_len;     /* of "key = value" lines; key_len 0 otherwise */
    size_t value_at, value_len; /* trimmed, without comment */
    size_t section_at, section_len;
    bool is_section;
    bool is_blank;
};

/* The value ends where a comment starts: ';' or '#' after white space. */
static size_t value_end(const char *s, size_t at, size_t len)
{
    size_t end = len;
    for (size_t i = at; i < len; i++)
        if ((s[i] == ';' || s[i] == '#') && is_space(s[i - 1])) {
            end = i;
            break;
        }
    while (end > at && is_space(s[end - 1]))
        end--;
    return end;
}

static void read_key(struct line *l, size_t at)
{
    const char *s = l->start;
    size_t eq = at;
    while (eq < l->len && s[eq] != '=' && s[eq] != ':')
        eq++;
    if (eq == l->len)
        return;
    size_t end = eq;
    while (end > at && is_space(s[end - 1]))
        end--;
    l->key_at = at;
    l->key_len = end - at;
    size_t value = eq + 1;
    while (value < l->len && is_space(s[value]))
        value++;
    l->value_at = value;
    l->value_len = value_end(s, value, l->len) - value;
}

static void read_line(const char *start, struct line *l)
{
    *l = (struct line){.start = start, .len = strcspn(start, "\n")};
    size_t at = 0;
    while (at < l->len && is_space(start[at]))
        at++;
    if (at == l->len) {
        l->is_blank = true;
        return;
    }
    if (start[at] == '#' || start[at] == ';')
        return;
    if (start[at] == '[') {
        const char *close = memchr(start + at, ']', l->len - at);
        l->is_section = close != NULL;
        l->section_at = at + 1;
        l->section_len = close ? (size_t)(close - start) - at - 1 : 0;
        return;
    }
    read_key(l, at);
}

static bool is_text(const char *s, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(s, word, n) == 0;
}

static const char *after(const struct line *l)
{
    const char *end = l->start + l->len;
    return *end ? end + 1 : end;
}

/* Where a key stands in the text, or where it would be added. */
struct place {
    bool found;
    bool section;  /* the section exists */
    struct line l; /* of the key, when found */
    size_t insert; /* offset after the section's last line that is not blank */
};

static void find(const char *text, const char *section, const char *key, struct place *p)
{
    bool inside = false;
    memset(p, 0, sizeof *p);
    for (const char *at = text; *at; at = after(&p->l)) {
        read_line(at, &p->l);
        if (p->l.is_section)
            inside = is_text(p->l.start + p->l.section_at, p->l.section_len, section);
        if (!inside)
            continue;
        p->section = true;
        if (p->l.key_len && is_text(at + p->l.key_at, p->l.key_len, key)) {
            p->found = true;
            return;
        }
        if (!p->l.is_blank)
            p->insert = (size_t)(after(&p->l) - text);
    }
}

bool confedit_get(const char *text, const char *section, const char *key, char *value, size_t cap)
{
    struct place p;
    find(text, section, key, &p);
    if (!p.found)
        return false;
    size_t n = p.l.value_len < cap ? p.l.value_len : cap - 1;
    memcpy(value, p.l.start + p.l.value_at, n);
    value[n] = '\0';
    return true;
}

/* Everything before, the new part, everything after. */
static char *splice(const char *text, size_t from, size_t to, const char *part)
{
    return mem_printf("%.*s%s%s", (int)from, text, part, text + to);
}

static char *add_key(const char *text, const struct confedit *e, const struct place *p)
{
    size_t len = strlen(text);
    size_t at = p->section ? p->insert : len;
    bool open_line = at > 0 && text[at - 1] != '\n';
    char *part = p->section ? mem_printf("%s%s = %s\n", open_line ? "\n" : "", e->key, e->value)
                            : mem_printf("%s%s[%s]\n%s = %s\n", open_line ? "\n" : "",
                                         len ? "\n" : "", e->section, e->key, e->value);
    char *result = splice(text, at, at, part);
    free(part);
    return result;
}

static char *apply_one(const char *text, const struct confedit *e)
{
    struct place p;
    find(text, e->section, e->key, &p);
    if (!p.found)
        return add_key(text, e, &p);
    size_t from = (size_t)(p.l.start - text) + p.l.value_at;
    if (is_text(text + from, p.l.value_len, e->value))
        return mem_strdup(text);
    size_t to = from + p.l.value_len;
    /* "key = # why" has its comment right behind: keep them apart. */
    bool touches = text[to] == '#' || text[to] == ';';
    bool glued = from > 0 && text[from - 1] == '=';
    char *part = mem_printf("%s%s%s", glued ? " " : "", e->value, touches ? " " : "");
    char *result = splice(text, from, to, part);
    free(part);
    return result;
}

char *confedit_apply(const char *text, const struct confedit *edits, size_t count)
{
    char *now = mem_strdup(text);
    for (size_t i = 0; i < count; i++) {
        if (!edits[i].value)
            continue;
        char *next = apply_one(now, &edits[i]);
        free(now);
        now = next;
    }
    return now;
}
