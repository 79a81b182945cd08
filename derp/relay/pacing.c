/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/pacing.h"

#include <utlist.h>

/* Urgent turns may run into debt without end; so much of it is remembered, in bytes. */
#define DEBT_MAX    (1 << 20)
#define QUANTUM     3000 /* bytes of a receiver's turn */
#define RECORD      4096 /* what one turn seals at most */
#define URGENT_TURN 600  /* bytes of a receiver's turn with what is urgent */
#define REST_PART   4    /* the rest gets one byte in so many while something urgent waits, too */
#define CREDIT_MAX  16384

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
    p->urgent = 0;
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
    shaper_note_received(&pacer->shaper, n);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* All that was urgent was dropped for its age: nothing was sent, though the line takes more. Who is
 * blocked still has something urgent. */
static bool is_turn_wasted(struct paced *p, enum outbox_class class)
{
    return class == OUTBOX_URGENT && !outbox_has_urgent(p->calls->outbox(p));
}

/* Lets p send. Returns what it was on the wire; 0: nothing, and unless the turn was wasted it
 * cannot send and is out of the ring. *has_ended: p is no more. */
static size_t send_some(struct pacer *pacer, struct paced *p, size_t budget,
                        enum outbox_class class, bool *has_ended)
{
    size_t n = 0, wire;

    *has_ended = !p->calls->send(p, budget, class, &n);
    wire = shaper_wire_bytes(n, RECORD);
    shaper_spend(&pacer->shaper, wire);
    if (*has_ended)
        return wire;
    p->deficit -= (int32_t)wire;
    if (p->deficit < -DEBT_MAX)
        p->deficit = -DEBT_MAX;
    if (n == 0 && !is_turn_wasted(p, class))
        pacer_remove(pacer, p);
    return wire;
}

static void to_the_end(struct pacer *pacer, struct paced *p)
{
    DL_DELETE(pacer->ring, p);
    DL_APPEND(pacer->ring, p);
}

/* The next who has something urgent. Who has had enough of it goes to the end. */
static size_t urgent_turn(struct pacer *pacer, size_t allowance)
{
    struct paced *p = pacer->ring;
    bool has_ended;
    size_t wire;

    while (p != NULL && !outbox_has_urgent(p->calls->outbox(p)))
        p = p->next;
    if (p == NULL)
        return 0;
    wire = send_some(pacer, p, least(allowance, URGENT_TURN), OUTBOX_URGENT, &has_ended);
    if (has_ended || !p->is_queued)
        return wire;
    p->urgent += (uint32_t)wire;
    if (p->urgent >= URGENT_TURN) {
        p->urgent = 0;
        to_the_end(pacer, p);
    }
    return wire;
}

/* The next whose turn it is by bytes, those of urgent turns counted. */
static size_t rest_turn(struct pacer *pacer, size_t allowance)
{
    struct paced *p;
    bool has_ended;

    while ((p = pacer->ring)->deficit <= 0) {
        p->deficit += QUANTUM;
        to_the_end(pacer, p);
    }
    return send_some(pacer, p, least(allowance, RECORD), OUTBOX_ALL, &has_ended);
}

/* What is urgent goes first, but the rest gets its part. */
static void take_turns(struct pacer *pacer)
{
    size_t allowance, wire;

    while (pacer->ring != NULL &&
           (allowance = shaper_allowance(&pacer->shaper, loop_now_ms(pacer->loop))) > 0) {
        bool is_rest_due = pacer->rest_credit >= QUANTUM;

        wire = is_rest_due ? 0 : urgent_turn(pacer, allowance);
        if (wire > 0) {
            pacer->rest_credit += (int32_t)wire / (REST_PART - 1);
            if (pacer->rest_credit > CREDIT_MAX)
                pacer->rest_credit = CREDIT_MAX;
        } else if (pacer->ring != NULL) {
            wire = rest_turn(pacer, allowance);
            pacer->rest_credit -= is_rest_due ? (int32_t)wire : 0;
        }
    }
}

void pacer_run(struct pacer *pacer)
{
    int64_t wait;

    if (pacer->ring == NULL)
        return;
    take_turns(pacer);
    if (pacer->ring == NULL)
        return;
    wait = shaper_wait_ms(&pacer->shaper);
    loop_timer_set(&pacer->timer, wait < 1 ? 1 : wait);
}
