/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/text.h"
#include "base/translate.h"

bool ask_is_possible(const struct options *o)
{
    return !o->no_input && isatty(STDIN_FILENO);
}

/* Without buffering past the line, as more answers may wait. */
bool ask_line(struct report *r, const char *question, char *line, size_t cap)
{
    size_t n = 0;
    char c = '\0';
    char *shown = translate_text(question);
    fprintf(r->err, "%s ", shown);
    fflush(r->err);
    free(shown);
    while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
        if (n + 1 < cap)
            line[n++] = c;
    line[n] = '\0';
    const char *answer = text_trim(line);
    memmove(line, answer, strlen(answer) + 1);
    return c == '\n';
}

bool ask_yes(struct report *r, const char *question)
{
    char line[64];
    return ask_line(r, question, line, sizeof line) &&
           (strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0);
}

bool ask_word(struct report *r, const char *question, const char *word)
{
    char line[300];
    return ask_line(r, question, line, sizeof line) && strcmp(line, word) == 0;
}
