/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a folder of its own, for the tests of what acme/ keeps on disk. */
#ifndef TESTS_UNIT_ACME_PLACE_H
#define TESTS_UNIT_ACME_PLACE_H

#include "acme/store.h"
#include "tests/unit/unit.h"

struct place {
    char root[64];
    char dir[80];
    struct store store;
};

static inline int place_setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    struct fault f;
    bool busy;
    assert_non_null(p);
    umask(0027);
    unit_dir(p->root);
    snprintf(p->dir, sizeof p->dir, "%s/certs", p->root);
    assert_true(store_open(&p->store, p->dir, &busy, &f));
    *state = p;
    return 0;
}

static inline int place_teardown(void **state)
{
    struct place *p = *state;
    store_close(&p->store);
    unit_dir_remove(p->root);
    free(p);
    return 0;
}

#endif
