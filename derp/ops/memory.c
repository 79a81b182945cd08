/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/ops/memory.h"

#include <malloc.h>
#include <stdbool.h>

#define LOOK_MS   30000
#define ENDED_MIN 256
#define KEPT_MAX  (4 << 20)

static struct {
    struct loop_timer timer;
    bool started;
    uint64_t returned_at; /* connections that had ended when memory was last returned */
    uint64_t (*ended)(void *arg);
    void *arg;
} watch;

void memory_keep(void)
{
    mallopt(M_TRIM_THRESHOLD, KEPT_MAX);
}

static void on_look(void *unused)
{
    uint64_t ended = watch.ended(watch.arg);

    (void)unused;
    if (ended >= watch.returned_at + ENDED_MIN) {
        malloc_trim(0);
        watch.returned_at = ended;
    }
    loop_timer_set(&watch.timer, LOOK_MS);
}

void memory_watch(struct loop *l, uint64_t (*ended)(void *arg), void *arg)
{
    watch.ended = ended;
    watch.arg = arg;
    watch.started = true;
    loop_timer_init(&watch.timer, l, on_look, NULL);
    loop_timer_set(&watch.timer, LOOK_MS);
}

void memory_watch_stop(void)
{
    if (watch.started)
        loop_timer_stop(&watch.timer);
}
