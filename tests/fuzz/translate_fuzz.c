/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any file as a catalogue: what it finds lies within the file. Any text as the translation of a
 * format: it is filled or refused, and never reads an argument that is not there.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/catalogue.h"
#include "base/mem.h"
#include "base/refill.h"
#include "base/width.h"

static void look_up(const uint8_t *data, size_t size)
{
    static const char *const texts[] = {"", "a", "are free", "cannot read %s", "zzz"};
    struct catalogue c;
    if (!catalogue_open(&c, data, size))
        return;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int with = 0; with < 2; with++) {
            const char *found = catalogue_get(&c, with ? "%s of %s" : NULL, texts[i]);
            if (found && strlen(found) >= size)
                abort();
        }
}

static void fill(const char *other, const char *format, ...)
{
    struct refill r;
    struct buf out;
    va_list args;
    va_start(args, format);
    if (!refill_take(&r, format, args))
        abort();
    va_end(args);
    buf_init(&out, 1 << 16);
    if (refill_fill(&r, other, NULL, NULL, &out))
        width_columns(buf_text(&out), out.len);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    look_up(data, size);
    char *text = mem_alloc(size + 1, 1);
    memcpy(text, data, size);
    fill(text, "no arguments");
    fill(text, "%s of %-12s", "one", "two");
    fill(text, "%d %ld %lld %u %zu %.1f %*d", -1, 2L, 3LL, 4U, (size_t)5, 6.0, 7, 8);
    free(text);
    return 0;
}
