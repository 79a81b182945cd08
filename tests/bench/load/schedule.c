/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/schedule.h"

static void swap(struct schedule_entry *a, struct schedule_entry *b)
{
    struct schedule_entry old = *a;

    *a = *b;
    *b = old;
}

void schedule_add(struct schedule *s, int64_t at_ns, uint32_t what)
{
    size_t i = s->count++;

    s->entries[i] = (struct schedule_entry){at_ns, what};
    for (; i > 0 && s->entries[i].at_ns < s->entries[(i - 1) / 2].at_ns; i = (i - 1) / 2)
        swap(&s->entries[i], &s->entries[(i - 1) / 2]);
}

void schedule_put_off(struct schedule *s, int64_t at_ns)
{
    size_t i = 0, least;

    s->entries[0].at_ns = at_ns;
    while ((least = 2 * i + 1) < s->count) {
        if (least + 1 < s->count && s->entries[least + 1].at_ns < s->entries[least].at_ns)
            least++;
        if (s->entries[i].at_ns <= s->entries[least].at_ns)
            return;
        swap(&s->entries[i], &s->entries[least]);
        i = least;
    }
}
