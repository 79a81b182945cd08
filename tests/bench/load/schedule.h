/* SPDX-License-Identifier: Apache-2.0 */
/* Who is due next: a heap of entries by their time. Pure. */
#ifndef TESTS_BENCH_LOAD_SCHEDULE_H
#define TESTS_BENCH_LOAD_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

struct schedule_entry {
    int64_t at_ns;
    uint32_t what;
};

/* entries has room for all that are added. */
struct schedule {
    struct schedule_entry *entries;
    size_t count;
};

void schedule_add(struct schedule *s, int64_t at_ns, uint32_t what);

/* The first one (entries[0]) gets another, later time. */
void schedule_put_off(struct schedule *s, int64_t at_ns);

#endif
