/* SPDX-License-Identifier: Apache-2.0 */
/* What the unit tests share: cmocka with the headers it wants first, and temporary folders. */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline int unit_remove_entry(const char *path, const struct stat *st, int type,
                                    struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

/* Makes an empty folder of its own; its path goes into path. */
static inline void unit_dir(char path[static 64])
{
    snprintf(path, 64, "/tmp/derp-unit.XXXXXX");
    assert_non_null(mkdtemp(path));
}

/* Removes the folder with all in it. */
static inline void unit_dir_remove(const char *path)
{
    nftw(path, unit_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The same as fixtures of cmocka: *folder is the path. */
static inline int unit_dir_setup(void **folder)
{
    *folder = calloc(1, 64);
    assert_non_null(*folder);
    unit_dir(*folder);
    return 0;
}

static inline int unit_dir_teardown(void **folder)
{
    unit_dir_remove(*folder);
    free(*folder);
    return 0;
}

/* Puts text into dir/name; the path goes into path. */
static inline void unit_file(const char *dir, const char *name, const char *text,
                             char path[static 128])
{
    snprintf(path, 128, "%.60s/%.60s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

#endif
