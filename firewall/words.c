/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void add_word(struct words *words, const char *text, size_t n)
{
    words->list = mem_resize(words->list, words->count + 2, sizeof *words->list);
    char *word = mem_alloc(n + 1, 1);
    memcpy(word, text, n);
    words->list[words->count++] = word;
    words->list[words->count] = NULL;
}

/* Reads one word at *s into out (as large as the line); false when a quote is not closed. */
static bool read_word(const char **s, char *out, size_t *n)
{
    char quote = '\0';
    *n = 0;
    for (; **s && (quote || !is_blank(**s)); (*s)++) {
        char c = **s;
        if (c == '\\' && quote != '\'') {
            if ((*s)[1] == '\0')
                return false;
            out[(*n)++] = *++(*s);
        } else if (quote ? c == quote : c == '"' || c == '\'') {
            quote = quote ? '\0' : c;
        } else {
            out[(*n)++] = c;
        }
    }
    return quote == '\0';
}

bool words_split(const char *line, struct words *words)
{
    *words = (struct words){0};
    char *out = mem_alloc(strlen(line) + 1, 1);
    bool ok = true;
    for (const char *s = line; ok;) {
        while (is_blank(*s))
            s++;
        if (*s == '\0')
            break;
        size_t n;
        ok = read_word(&s, out, &n);
        if (ok)
            add_word(words, out, n);
    }
    free(out);
    if (!ok)
        words_free(words);
    return ok;
}

void words_free(struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->list[i]);
    free(words->list);
    *words = (struct words){0};
}

char *words_setting(const char *text, const char *key)
{
    char *copy = mem_strdup(text);
    char *found = NULL;
    for (char *rest = copy, *line; (line = strsep(&rest, "\n")) != NULL;) {
        line = text_trim(line);
        size_t n = strlen(key);
        if (strncmp(line, key, n) != 0 || line[n] != '=')
            continue;
        struct words words;
        if (!words_split(line + n + 1, &words))
            continue;
        free(found);
        found = mem_strdup(words.count > 0 ? words.list[0] : "");
        words_free(&words);
    }
    free(copy);
    return found;
}
