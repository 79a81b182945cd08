/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/pacing.c"

#include <string.h>

#include "tests/unit/unit.h"

#define RATE            (4 * 1000 * 1000)
#define SMALL           137
#define BULK            1349
#define DEPTH_FOR_TESTS 3200

struct receiver {
    struct paced paced; /* first: of_paced is a cast */
    struct outbox outbox;
    struct outbox_tools tools;
    size_t bytes;
    size_t small; /* packets */
    size_t turns;
    bool is_blocked;
    bool ends; /* when it has been written to */
};

static struct outbox *outbox_of(struct paced *p)
{
    return &((struct receiver *)p)->outbox;
}

static bool send_to(struct paced *p, size_t budget, enum outbox_class class, size_t *sent)
{
    struct receiver *r = (struct receiver *)p;
    uint8_t out[16384];
    size_t n;

    *sent = 0;
    if (r->is_blocked)
        return true;
    n = outbox_fill(&r->outbox, out, sizeof out, budget, class, &r->tools);
    r->bytes += n;
    r->small += class == OUTBOX_URGENT && n > 0 ? n / SMALL : 0;
    *sent = n;
    r->turns += n > 0;
    return !r->ends;
}

static const struct paced_calls calls = {.outbox = outbox_of, .send = send_to};

static struct loop *loop;
static struct packet_pool *pool;

static struct receiver receiver(void)
{
    return (struct receiver){.paced = {.calls = &calls}, .tools = {.pool = pool}};
}

static void give(struct pacer *pacer, struct receiver *r, size_t len, int count)
{
    for (int i = 0; i < count; i++) {
        struct packet *p = packet_new(pool, len, PACKET_OTHER);

        memset(p->data, 0, len);
        outbox_push(&r->outbox, p, &r->tools);
        r->tools.now_ms += 1; /* some time passes, so that it is congested soon */
    }
    pacer_add(pacer, &r->paced);
}

static void forget(struct pacer *pacer, struct receiver *r)
{
    pacer_remove(pacer, &r->paced);
    outbox_clear(&r->outbox, &r->tools);
}

/* Time goes on by hand: so many bytes may be sent now. */
static void grant(struct pacer *pacer, int64_t bytes)
{
    pacer->shaper.depth = bytes > DEPTH_FOR_TESTS ? bytes : DEPTH_FOR_TESTS;
    pacer->shaper.tokens = bytes;
    pacer->shaper.then_ms = INT64_MAX; /* nothing is added by the clock */
    pacer_run(pacer);
}

static struct pacer pacer_at(uint64_t rate)
{
    struct pacer p;

    pacer_init(&p, loop, rate);
    return p;
}

static void test_off(void **state)
{
    (void)state;
    struct pacer pacer = pacer_at(0);

    assert_false(pacer_is_on(&pacer));
    pacer_run(&pacer); /* nobody waits */
}

static void test_receivers_share_by_bytes(void **state)
{
    (void)state;
    static struct pacer pacer;
    struct receiver a = receiver(), b = receiver(), c = receiver();

    pacer = pacer_at(RATE);
    give(&pacer, &a, BULK, 200);
    give(&pacer, &b, BULK, 200);
    give(&pacer, &c, 16000, 20);
    grant(&pacer, 200000);
    assert_in_range(a.bytes + b.bytes + c.bytes, 150000, 210000);
    assert_in_range(a.bytes, b.bytes - 2 * QUANTUM, b.bytes + 2 * QUANTUM);
    assert_in_range(c.bytes, a.bytes - 16384 - QUANTUM, a.bytes + 16384 + QUANTUM);
    assert_true(loop_timer_armed(&pacer.timer));
    forget(&pacer, &a);
    forget(&pacer, &b);
    forget(&pacer, &c);
    loop_timer_stop(&pacer.timer);
}

static void test_no_more_than_granted(void **state)
{
    (void)state;
    static struct pacer pacer;
    struct receiver a = receiver();
    size_t before;

    pacer = pacer_at(RATE);
    give(&pacer, &a, BULK, 50);
    grant(&pacer, 5000);
    assert_in_range(a.bytes, 3 * BULK, 4 * BULK);
    before = a.bytes;
    grant(&pacer, 0);
    assert_int_equal(a.bytes, before);
    forget(&pacer, &a);
    loop_timer_stop(&pacer.timer);
}

/* A keystroke for another receiver, and one for the same, pass everything that waits. */
static void test_urgent_first_and_bulk_alive(void **state)
{
    (void)state;
    static struct pacer pacer;
    struct receiver a = receiver(), b = receiver();

    pacer = pacer_at(RATE);
    give(&pacer, &a, BULK, 100);
    give(&pacer, &b, BULK, 100);
    grant(&pacer, 3000);
    give(&pacer, &a, SMALL, 1);
    give(&pacer, &b, SMALL, 1);
    grant(&pacer, 1000);
    assert_int_equal(a.small, 1);
    assert_int_equal(b.small, 1);
    /* A flood of them leaves bulk a quarter. */
    give(&pacer, &a, SMALL, 1000);
    a.bytes = b.bytes = 0;
    grant(&pacer, 40000);
    assert_true(b.bytes > 3000);
    assert_true(a.small > 100);
    forget(&pacer, &a);
    forget(&pacer, &b);
    loop_timer_stop(&pacer.timer);
}

/* Late small packets are dropped in an urgent turn, which then sends nothing: the rest still goes.
 */
static void test_bulk_behind_late_small_packets(void **state)
{
    (void)state;
    static struct pacer pacer;
    struct receiver a = receiver();

    pacer = pacer_at(RATE);
    give(&pacer, &a, SMALL, 10);
    a.tools.now_ms += BACKLOG_MAX_MS + 100;
    give(&pacer, &a, BULK, 5);
    grant(&pacer, 100000);
    assert_true(outbox_empty(&a.outbox));
    assert_int_equal(a.bytes, 5 * BULK);
    forget(&pacer, &a);
    loop_timer_stop(&pacer.timer);
}

/* Milliseconds of a line of so many bytes each, one receiver flooded with small packets, one with
 * bulk, and one that gets a keystroke now and then. */
static void test_a_flood_of_small_packets(void **state)
{
    (void)state;
    static struct pacer pacer;
    static const int64_t line[] = {64, 475, 2400}; /* 0.5, 4 and 20 Mbit/s */

    for (size_t i = 0; i < sizeof line / sizeof line[0]; i++) {
        struct receiver flooded = receiver(), bulk = receiver(), typist = receiver();
        size_t waits = 0, worst = 0, all = 0;

        pacer = pacer_at(RATE);
        pacer.shaper.then_ms = INT64_MAX;
        pacer.shaper.tokens = 0;
        pacer.shaper.depth = 3200;
        give(&pacer, &bulk, BULK, 300);
        for (size_t ms = 0; ms < 3000; ms++) {
            if (outbox_bytes(&flooded.outbox) < 20000)
                give(&pacer, &flooded, SMALL, 20);
            if (outbox_bytes(&bulk.outbox) < 100000)
                give(&pacer, &bulk, BULK, 20);
            if (ms % 20 == 0 && outbox_empty(&typist.outbox)) {
                give(&pacer, &typist, SMALL, 1);
                waits = 0;
            }
            waits += !outbox_empty(&typist.outbox);
            worst = waits > worst ? waits : worst;
            pacer.shaper.tokens += line[i];
            if (pacer.shaper.tokens > pacer.shaper.depth)
                pacer.shaper.tokens = pacer.shaper.depth;
            pacer_run(&pacer);
        }
        all = flooded.bytes + bulk.bytes + typist.bytes;
        assert_true(bulk.bytes > all / 8);
        assert_true(flooded.bytes > all / 8);
        /* two turns of others and a large packet, at most */
        assert_true(worst <= 2 + (size_t)(4 * BULK / line[i]));
        assert_true(typist.turns > 20);
        forget(&pacer, &flooded);
        forget(&pacer, &bulk);
        forget(&pacer, &typist);
        loop_timer_stop(&pacer.timer);
    }
}

/* Who gets much that is urgent runs into debt with the rest, but one day it is forgiven. */
static void test_debts_are_bounded(void **state)
{
    (void)state;
    static struct pacer pacer;
    struct receiver flooded = receiver(), bulk = receiver();

    pacer = pacer_at(RATE);
    flooded.tools.keep_late = bulk.tools.keep_late = true;
    for (size_t sent = 0; sent < 3 * DEBT_MAX; sent += 64000) {
        while (outbox_bytes(&flooded.outbox) < 100000)
            give(&pacer, &flooded, SMALL, 100);
        while (outbox_bytes(&bulk.outbox) < 100000)
            give(&pacer, &bulk, BULK, 10);
        grant(&pacer, 64000);
        assert_true(flooded.paced.deficit >= -DEBT_MAX);
    }
    assert_true(flooded.bytes > 2 * DEBT_MAX);
    assert_true(flooded.paced.deficit < -DEBT_MAX / 2);
    forget(&pacer, &flooded);
    forget(&pacer, &bulk);
    loop_timer_stop(&pacer.timer);
}

/* As when writing to it fails: its owner takes it out, and it is not touched again. */
static void test_a_receiver_that_ends(void **state)
{
    (void)state;
    static struct pacer pacer;
    struct receiver a = receiver(), b = receiver();

    pacer = pacer_at(RATE);
    give(&pacer, &a, BULK, 3);
    give(&pacer, &b, BULK, 3);
    a.ends = true;
    pacer_remove(&pacer, &a.paced); /* what its end does */
    pacer_add(&pacer, &a.paced);
    grant(&pacer, 1);
    forget(&pacer, &a);
    forget(&pacer, &b);
    loop_timer_stop(&pacer.timer);
}

static void test_a_blocked_receiver_costs_nothing(void **state)
{
    (void)state;
    static struct pacer pacer;
    struct receiver a = receiver(), b = receiver();

    pacer = pacer_at(RATE);
    a.is_blocked = true;
    give(&pacer, &a, BULK, 10);
    give(&pacer, &b, BULK, 100);
    grant(&pacer, 20000);
    assert_int_equal(a.bytes, 0);
    assert_false(a.paced.is_queued); /* until it takes more */
    assert_in_range(b.bytes, 16000, 21000);
    forget(&pacer, &a);
    forget(&pacer, &b);
    loop_timer_stop(&pacer.timer);
}

static void test_the_idle_are_left_alone(void **state)
{
    (void)state;
    static struct pacer pacer;
    struct receiver a = receiver();

    pacer = pacer_at(RATE);
    give(&pacer, &a, BULK, 2);
    pacer_add(&pacer, &a.paced); /* again: no-op */
    grant(&pacer, 100000);
    assert_int_equal(a.bytes, 2 * BULK);
    assert_null(pacer.ring);
    assert_false(loop_timer_armed(&pacer.timer));
    pacer_remove(&pacer, &a.paced);
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    pool = packet_pool_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    packet_pool_free(pool);
    loop_free(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_receivers_share_by_bytes),
        cmocka_unit_test(test_no_more_than_granted),
        cmocka_unit_test(test_urgent_first_and_bulk_alive),
        cmocka_unit_test(test_bulk_behind_late_small_packets),
        cmocka_unit_test(test_a_flood_of_small_packets),
        cmocka_unit_test(test_debts_are_bounded),
        cmocka_unit_test(test_a_receiver_that_ends),
        cmocka_unit_test(test_a_blocked_receiver_costs_nothing),
        cmocka_unit_test(test_the_idle_are_left_alone),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
