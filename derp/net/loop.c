/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/loop.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct loop {
    struct ev_loop *ev;
    ev_check turn_begin;
    int64_t now_ms;
    ev_prepare turn_end;
    void (*on_turn_end)(void *arg);
    void *turn_end_arg;
};

/* libev's own time is the wall clock's, which may be set. Runs before all other callbacks. */
static void turn_began(struct ev_loop *ev, ev_check *w, int revents)
{
    struct loop *l = w->data;

    (void)ev;
    (void)revents;
    l->now_ms = clock_mono_ms();
}

struct loop *loop_new(void)
{
    struct loop *l = mem_alloc(1, sizeof *l);

    l->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (l->ev == NULL) {
        log_errno("cannot create an event loop");
        abort();
    }
    l->now_ms = clock_mono_ms();
    ev_check_init(&l->turn_begin, turn_began);
    l->turn_begin.data = l;
    ev_set_priority(&l->turn_begin, EV_MAXPRI);
    ev_check_start(l->ev, &l->turn_begin);
    ev_unref(l->ev); /* does not keep the loop running by itself */
    return l;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    ev_loop_destroy(l->ev);
    free(l);
}

void loop_run(struct loop *l)
{
    ev_run(l->ev, 0);
}

void loop_stop(struct loop *l)
{
    ev_break(l->ev, EVBREAK_ALL);
}

int64_t loop_now_ms(struct loop *l)
{
    return l->now_ms;
}

unsigned loop_turn(struct loop *l)
{
    return ev_iteration(l->ev);
}

static void turn_ended(struct ev_loop *ev, ev_prepare *w, int revents)
{
    struct loop *l = w->data;

    (void)ev;
    (void)revents;
    l->on_turn_end(l->turn_end_arg);
}

void loop_on_turn_end(struct loop *l, void (*fn)(void *arg), void *arg)
{
    l->on_turn_end = fn;
    l->turn_end_arg = arg;
    ev_prepare_init(&l->turn_end, turn_ended);
    l->turn_end.data = l;
    ev_prepare_start(l->ev, &l->turn_end);
    ev_unref(l->ev); /* does not keep the loop running by itself */
}

void loop_end_turn(struct loop *l)
{
    if (l->on_turn_end != NULL)
        l->on_turn_end(l->turn_end_arg);
}

static void timer_fired(struct ev_loop *ev, ev_timer *w, int revents)
{
    struct loop_timer *t = w->data;

    (void)ev;
    (void)revents;
    t->fn(t->arg);
}

void loop_timer_init(struct loop_timer *t, struct loop *l, void (*fn)(void *arg), void *arg)
{
    ev_timer_init(&t->ev, timer_fired, 0., 0.);
    t->ev.data = t;
    t->loop = l;
    t->fn = fn;
    t->arg = arg;
}

void loop_timer_set(struct loop_timer *t, int64_t after_ms)
{
    ev_timer_stop(t->loop->ev, &t->ev);
    /* A callback that ran long leaves ev_now behind; measured from there a timer fires early. */
    ev_timer_set(&t->ev, (ev_tstamp)(after_ms < 0 ? 0 : after_ms) / 1e3, 0.);
    ev_timer_start(t->loop->ev, &t->ev);
}

void loop_timer_stop(struct loop_timer *t)
{
    ev_timer_stop(t->loop->ev, &t->ev);
}

bool loop_timer_armed(const struct loop_timer *t)
{
    return ev_is_active(&t->ev);
}

static void io_ready(struct ev_loop *ev, ev_io *w, int revents)
{
    struct loop_io *io = w->data;

    (void)ev;
    io->fn(io->arg, (revents & EV_READ ? LOOP_READ : 0) | (revents & EV_WRITE ? LOOP_WRITE : 0));
}

void loop_io_init(struct loop_io *io, struct loop *l, int fd, void (*fn)(void *arg, int events),
                  void *arg)
{
    ev_io_init(&io->ev, io_ready, fd, 0);
    io->ev.data = io;
    io->loop = l;
    io->fn = fn;
    io->arg = arg;
}

void loop_io_rank(struct loop_io *io, enum loop_rank rank)
{
    static const int priority[] = {
        [LOOP_FIRST] = EV_MAXPRI - 1, /* the highest is turn_began's */
        [LOOP_USUAL] = 0,
        [LOOP_LAST] = EV_MINPRI,
    };
    bool is_active = ev_is_active(&io->ev);

    ev_io_stop(io->loop->ev, &io->ev); /* tells the kernel nothing: it starts again before that */
    ev_set_priority(&io->ev, priority[rank]);
    if (is_active)
        ev_io_start(io->loop->ev, &io->ev);
}

void loop_io_want(struct loop_io *io, int events)
{
    int want = (events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0);

    if (ev_is_active(&io->ev) && (io->ev.events & (EV_READ | EV_WRITE)) == want)
        return;
    ev_io_stop(io->loop->ev, &io->ev);
    if (want == 0)
        return;
    ev_io_set(&io->ev, io->ev.fd, want);
    ev_io_start(io->loop->ev, &io->ev);
}

static void woken(struct ev_loop *ev, ev_async *a, int revents)
{
    struct loop_wake *w = a->data;

    (void)ev;
    (void)revents;
    w->fn(w->arg);
}

void loop_wake_init(struct loop_wake *w, struct loop *l, void (*fn)(void *arg), void *arg)
{
    ev_async_init(&w->ev, woken);
    w->ev.data = w;
    w->loop = l;
    w->fn = fn;
    w->arg = arg;
    ev_async_start(l->ev, &w->ev);
}

void loop_wake_send(struct loop_wake *w)
{
    ev_async_send(w->loop->ev, &w->ev);
}

void loop_wake_stop(struct loop_wake *w)
{
    ev_async_stop(w->loop->ev, &w->ev);
}

static void signalled(struct ev_loop *ev, ev_signal *a, int revents)
{
    struct loop_signal *s = a->data;

    (void)ev;
    (void)revents;
    s->fn(s->arg);
}

void loop_signal_init(struct loop_signal *s, struct loop *l, int signal_number,
                      void (*fn)(void *arg), void *arg)
{
    ev_signal_init(&s->ev, signalled, signal_number);
    s->ev.data = s;
    s->loop = l;
    s->fn = fn;
    s->arg = arg;
    ev_signal_start(l->ev, &s->ev);
}
