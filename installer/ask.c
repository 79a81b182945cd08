/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/ask.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/text.h"

bool ask_is_possible(const struct options *o)
{
    return !o->no_input && isatty(STDIN_FILENO);
}

/* Reads a line from standard input without buffering past it. "" at its end or when interrupted. */
static char *read_answer(struct report *r, const char *question, char *line, size_t cap)
{
    size_t n = 0;
    char c;
    fprintf(r->err, "%s ", question);
    fflush(r->err);
    while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
        if (n + 1 < cap)
            line[n++] = c;
    line[n] = '\0';
    return text_trim(line);
}

bool ask_yes(struct report *r, const char *question)
{
    char line[64];
    const char *answer = read_answer(r, question, line, sizeof line);
    return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

bool ask_word(struct report *r, const char *question, const char *word)
{
    char line[300];
    return strcmp(read_answer(r, question, line, sizeof line), word) == 0;
}
