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

/* --- Lines ---------------------------------------------------------------------------------------
 */

static bool is_one_of(uint32_t character, const uint32_t *list)
{
    while (*list && *list != character)
        list++;
    return *list != 0;
}

/* Between characters of a script without spaces a line may end, but not just before what closes
 * a phrase, nor just after what opens one. */
static bool may_break(uint32_t before, uint32_t after)
{
    static const uint32_t closing[] = {U'。', U'，', U'、', U'；', U'：', U'！', U'？', U'）',
                                       U'」', U'』', U'》', U'】', U'〉', U'”',  U'’',  U'…',
                                       U'—',  U'·',  U'％', U',',  U'.',  U';',  U':',  U'!',
                                       U'?',  U')',  U']',  U'}',  U'%',  0};
    static const uint32_t opening[] = {U'（', U'「', U'『', U'《', U'【', U'〈',
                                       U'“',  U'‘',  U'(',  U'[',  U'{',  0};
    return (width_of(before) == 2 || width_of(after) == 2) && width_of(after) != 0 &&
           !is_one_of(after, closing) && !is_one_of(before, opening);
}

/* Bytes from text on that stay on one line; text does not begin with a space. */
static size_t unbroken(const char *text)
{
    size_t end = strcspn(text, " \n"), n, bytes;
    uint32_t before = width_character(text, end, &n);
    for (; n < end; n += bytes) {
        uint32_t next = width_character(text + n, end - n, &bytes);
        if (may_break(before, next))
            break;
        before = next;
    }
    return n;
}

void wrap_print(FILE *out, const char *text, int width, int used, int indent)
{
    bool blank = false;
    const char *word = text + strspn(text, " \n");
    while (*word) {
        size_t n = unbroken(word);
        int columns = wrap_columns(word, n);
        if (width > 0 && used > indent && used + blank + columns > width) {
            fprintf(out, "\n%*s", indent, "");
            used = indent;
        } else if (blank) {
            fputc(' ', out);
            used++;
        }
        fwrite(word, 1, n, out);
        used += columns;
        word += n;
        blank = *word == ' ' || *word == '\n';
        word += strspn(word, " \n");
    }
    fputc('\n', out);
}
