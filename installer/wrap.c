/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/wrap.h"

#include <stdbool.h>
#include <string.h>

#include "base/width.h"

int wrap_columns(const char *text, size_t n)
{
    return width_columns(text, n);
}

size_t wrap_fit(const char *text, int columns)
{
    size_t n = 0, bytes = 0, len = strlen(text);
    for (int used = 0; n < len; n += bytes) {
        used += width_of(width_character(text + n, len - n, &bytes));
        if (used > columns)
            break;
    }
    return n;
}

/* Bytes of the character at s: 0 when it is broken, overlong or a control character. */
static size_t character(const unsigned char *s)
{
    if (s[0] < 0x80)
        return s[0] >= 0x20 && s[0] != 0x7f;
    size_t n = s[0] >= 0xc2 && s[0] < 0xe0   ? 2
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
               : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                             : 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool c1 = s[0] == 0xc2 && s[1] < 0xa0;
    return overlong || c1 ? 0 : n;
}

void wrap_clean(const char *line, char *out, size_t cap)
{
    size_t len = 0;
    for (const unsigned char *s = (const unsigned char *)line; *s;) {
        size_t n = character(s);
        if (len + (n ? n : 4) >= cap)
            break;
        if (n)
            memcpy(out + len, s, n);
        else
            snprintf(out + len, 5, "\\x%02x", *s);
        len += n ? n : 4;
        s += n ? n : 1;
    }
    out[len] = '\0';
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
