/* SPDX-License-Identifier: Apache-2.0 */
#include "base/catalogue.h"

#include <string.h>

#define MAGIC       0x950412deU
#define HEADER      20
#define ENTRY       8      /* length and offset */
#define COUNT_MAX   100000 /* far more than any program says */
#define CONTEXT_END '\004'

static uint32_t number(const struct catalogue *c, size_t at)
{
    const unsigned char *p = c->data + at;
    if (c->big)
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static bool table_fits(const struct catalogue *c, size_t at)
{
    return at <= c->len && c->count <= (c->len - at) / ENTRY;
}

static const char *string(const struct catalogue *c, size_t table, uint32_t i)
{
    return (const char *)c->data + number(c, table + i * ENTRY + 4);
}

static bool strings_fit(const struct catalogue *c, size_t table)
{
    for (uint32_t i = 0; i < c->count; i++) {
        size_t len = number(c, table + i * ENTRY), at = number(c, table + i * ENTRY + 4);
        if (at >= c->len || len >= c->len - at || c->data[at + len] != '\0')
            return false;
    }
    return true;
}

bool catalogue_open(struct catalogue *c, const void *data, size_t len)
{
    *c = (struct catalogue){.data = data, .len = len};
    if (len < HEADER)
        return false;
    if (number(c, 0) != MAGIC) {
        c->big = true;
        if (number(c, 0) != MAGIC)
            return false;
    }
    c->count = number(c, 8);
    c->originals = number(c, 12);
    c->translations = number(c, 16);
    /* The upper half of the revision is the format's; its lower half adds what is not used here. */
    return number(c, 4) >> 16 == 0 && c->count <= COUNT_MAX && table_fits(c, c->originals) &&
           table_fits(c, c->translations) && strings_fit(c, c->originals) &&
           strings_fit(c, c->translations);
}

/* strcmp of context, CONTEXT_END and text with one string of the file. */
static int compare(const char *context, const char *text, const char *other)
{
    if (context) {
        size_t n = strlen(context);
        int order = strncmp(context, other, n);
        if (order != 0)
            return order;
        if (other[n] != CONTEXT_END)
            return CONTEXT_END - (int)(unsigned char)other[n];
        other += n + 1;
    }
    return strcmp(text, other);
}

const char *catalogue_get(const struct catalogue *c, const char *context, const char *text)
{
    uint32_t low = 0, high = c->count;
    if (!context && !*text)
        return NULL; /* that is the file's own header */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare(context, text, string(c, c->originals, middle));
        if (order == 0) {
            const char *found = string(c, c->translations, middle);
            return *found ? found : NULL;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
