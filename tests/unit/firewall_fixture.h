/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded output of real programs, which also seeds the fuzz targets. Tests run in the root. */
#ifndef TESTS_UNIT_FIREWALL_FIXTURE_H
#define TESTS_UNIT_FIREWALL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#define SEEDS "tests/fuzz/corpus/"

/* The file's text, to free(). */
static inline char *recorded(const char *path)
{
    struct buf b;
    struct fault f;
    buf_init(&b, 1U << 20);
    if (!file_read(path, &b, &f))
        fail_msg("%s", f.text);
    char *text = mem_strdup(buf_text(&b));
    buf_free(&b);
    return text;
}

#endif
