/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "installer/terminal.h"
#include "installer/wrap.h"

struct progress {
    FILE *out;
    int width;
    bool utf8;
    const char *label;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool stop;
    char doing[400];
    int64_t started_ms;
};

static void draw(struct progress *p)
{
    long seconds = (long)((clock_mono_ms() - p->started_ms) / 1000);
    char head[64];
    int used =
        snprintf(head, sizeof head, "  %-12.20s %ld:%02ld ", p->label, seconds / 60, seconds % 60);
    int width = terminal_width(fileno(p->out), p->width); /* it may have been resized */
    size_t n = wrap_fit(p->doing, width - used - 4);
    /* Erase to the end of the line, then leave the cursor at its start. */
    fprintf(p->out, "\r  %s%s%.*s\033[K\r", p->utf8 ? "…" : ".", head + 1, (int)n, p->doing);
    fflush(p->out);
}

static void *run_clock(void *arg)
{
    struct progress *p = arg;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        draw(p);
        next.tv_sec++;
        pthread_cond_timedwait(&p->wake, &p->lock, &next);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void set_text(struct progress *p, const char *doing)
{
    wrap_clean(doing, p->doing, sizeof p->doing);
}

struct progress *progress_start(FILE *out, int width, bool utf8, const char *label,
                                const char *doing)
{
    struct progress *p = mem_alloc(1, sizeof *p);
    pthread_condattr_t attr;
    sigset_t all, old;
    *p = (struct progress){.out = out, .width = width, .utf8 = utf8, .label = label};
    p->started_ms = clock_mono_ms();
    set_text(p, doing);
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &attr);
    pthread_condattr_destroy(&attr);
    /* Signals stay with the thread that works: they have to interrupt its waiting. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    p->has_thread = pthread_create(&p->thread, NULL, run_clock, p) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!p->has_thread)
        draw(p);
    return p;
}

void progress_say(struct progress *p, const char *doing)
{
    pthread_mutex_lock(&p->lock);
    set_text(p, doing);
    draw(p);
    pthread_mutex_unlock(&p->lock);
}

void progress_stop(struct progress *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    if (p->has_thread)
        pthread_join(p->thread, NULL);
    fputs("\r\033[K", p->out);
    fflush(p->out);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
