/* SPDX-License-Identifier: Apache-2.0 */
#include "base/width.h"

#include <stdbool.h>

#define BROKEN 0xfffd

struct range {
    uint32_t first, last;
};

/* Coarser than UAX 11's table where nothing but unassigned characters lie between. */
static const struct range wide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},
    {0x25fd, 0x25fe},   {0x2614, 0x2615},   {0x26a1, 0x26a1},   {0x2705, 0x2705},
    {0x274c, 0x274c},   {0x2753, 0x2755},   {0x2757, 0x2757},   {0x2b50, 0x2b50},
    {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0xa4cf},
    {0xa960, 0xa97f},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe10, 0xfe19},
    {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd},
};

static const struct range joining[] = {
    {0x0300, 0x036f}, {0x200b, 0x200f}, {0x20d0, 0x20ff},
    {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff},
};

static bool is_in(const struct range *list, size_t count, uint32_t character)
{
    for (size_t i = 0; i < count && list[i].first <= character; i++)
        if (character <= list[i].last)
            return true;
    return false;
}

uint32_t width_character(const char *s, size_t n, size_t *bytes)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t want = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
    *bytes = 1;
    if (want == 1)
        return u[0];
    if (want == 0 || u[0] > 0xf4 || want > n)
        return BROKEN;
    uint32_t c = u[0] & (0x7fU >> want);
    for (size_t i = 1; i < want; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return BROKEN;
        c = c << 6 | (u[i] & 0x3fU);
    }
    *bytes = want;
    return c;
}

int width_of(uint32_t character)
{
    if (character < wide[0].first)
        return is_in(joining, 1, character) ? 0 : 1;
    if (is_in(joining, sizeof joining / sizeof *joining, character))
        return 0;
    return is_in(wide, sizeof wide / sizeof *wide, character) ? 2 : 1;
}

int width_columns(const char *text, size_t n)
{
    int columns = 0;
    for (size_t bytes; n > 0; text += bytes, n -= bytes) {
        uint32_t character = width_character(text, n, &bytes);
        columns += width_of(character);
        /* The rest of one that was cut is no column of its own. */
        while (character == BROKEN && bytes < n && ((unsigned char)text[bytes] & 0xc0) == 0x80)
            bytes++;
    }
    return columns;
}
