/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/wrap.h"

#include <stdbool.h>
#include <string.h>

int wrap_columns(const char *text, size_t n)
{
    int columns = 0;
    for (size_t i = 0; i < n; i++)
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    return columns;
}

void wrap_print(FILE *out, const char *text, int width, int used, int indent)
{
    const char *word = text + strspn(text, " \n");
    bool first = true;
    while (*word) {
        size_t n = strcspn(word, " \n");
        int columns = wrap_columns(word, n);
        if (!first && width > 0 && used + 1 + columns > width) {
            fprintf(out, "\n%*s", indent, "");
            used = indent;
        } else if (!first) {
            fputc(' ', out);
            used++;
        }
        fwrite(word, 1, n, out);
        used += columns;
        first = false;
        word += n + strspn(word + n, " \n");
    }
    fputc('\n', out);
}
