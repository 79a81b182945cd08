/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/pacing.h"

#include <utlist.h>

#define QUANTUM     3000 /* bytes of a receiver's turn */
#define RECORD      4096 /* what one turn seals at most */
#define URGENT_TURN 2048
#define URGENT_PART 4 /* so many parts less one are for what is urgent */

static void on_timer(void *arg)
{
    pacer_run(arg);
}

void pacer_init(struct pacer *pacer, struct loop *loop, uint64_t uplink)
{
    *pacer = (struct pacer){.loop = loop};
    shaper_init(&pacer->shaper, uplink, loop_now_ms(loop));
    loop_timer_init(&pacer->timer, loop, on_timer, pacer);
}

bool pacer_is_on(const struct pacer *pacer)
{
    return pacer->shaper.rate > 0;
}

void pacer_add(struct pacer *pacer, struct paced *p)
{
    if (p->is_queued)
        return;
    p->is_queued = true;
    p->deficit = QUANTUM;
    DL_APPEND(pacer->ring, p);
}

void pacer_remove(struct pacer *pacer, struct paced *p)
{
    if (!p->is_queued)
        return;
    p->is_queued = false;
    DL_DELETE(pacer->ring, p);
}

void pacer_note(struct pacer *pacer, size_t n)
{
    shaper_spend(&pacer->shaper, shaper_wire_bytes(n, RECORD));
}

void pacer_note_received(struct pacer *pacer, size_t n)
{
    shaper_spend(&pacer->shaper, shaper_ack_bytes(n));
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Returns what it was on the wire, 0 for nothing. */
static size_t send_some(struct pacer *pacer, struct paced *p, size_t budget,
                        enum outbox_class class)
{
    size_t n = p->calls->send(p, budget, class);
    size_t wire = n > 0 ? shaper_wire_bytes(n, RECORD) : 0;

    shaper_spend(&pacer->shaper, wire);
    return wire;
}

/* A round over all who have something urgent. Sending may end a receiver: it takes itself out. */
static size_t urgent_round(struct pacer *pacer, size_t allowance)
{
    struct paced *p, *next;
    size_t sent = 0;

    DL_FOREACH_SAFE(pacer->ring, p, next)
    {
        if (sent >= allowance)
            break;
        if (outbox_has_urgent(p->calls->outbox(p)))
            sent += send_some(pacer, p, least(allowance - sent, URGENT_TURN), OUTBOX_URGENT);
    }
    return sent;
}

static void send_urgent(struct pacer *pacer)
{
    size_t allowance = shaper_allowance(&pacer->shaper, loop_now_ms(pacer->loop));
    size_t limit = allowance - allowance / URGENT_PART;
    size_t sent = 0, step;

    while (sent < limit && (step = urgent_round(pacer, limit - sent)) > 0)
        sent += step;
}

/* Who has had his turn goes to the end. */
static void rotate(struct pacer *pacer, struct paced *p)
{
    p->deficit += QUANTUM;
    DL_DELETE(pacer->ring, p);
    DL_APPEND(pacer->ring, p);
}

static void send_rest(struct pacer *pacer)
{
    struct paced *p;
    size_t allowance;

    while ((p = pacer->ring) != NULL &&
           (allowance = shaper_allowance(&pacer->shaper, loop_now_ms(pacer->loop))) > 0) {
        size_t wire;

        if (p->deficit <= 0) {
            rotate(pacer, p);
            continue;
        }
        wire = send_some(pacer, p, least(allowance, RECORD), OUTBOX_ALL);
        if (pacer->ring != p)
            continue; /* it has ended */
        if (wire == 0)
            pacer_remove(pacer, p);
        else
            p->deficit -= (int32_t)wire;
    }
}

void pacer_run(struct pacer *pacer)
{
    int64_t wait;

    if (pacer->ring == NULL)
        return;
    send_urgent(pacer);
    send_rest(pacer);
    if (pacer->ring == NULL)
        return;
    wait = shaper_wait_ms(&pacer->shaper);
    loop_timer_set(&pacer->timer, wait < 1 ? 1 : wait);
}
