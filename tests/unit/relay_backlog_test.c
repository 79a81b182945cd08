/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/backlog.c"

#include <string.h>

#include "tests/unit/unit.h"

#define SMALL 137  /* a keystroke in WireGuard, in a RecvPacket */
#define BULK  1349 /* a full packet of a tunnel with an MTU of 1280 */

static unsigned dropped;
static enum packet_fate fate;

static void note_drop(void *arg, const struct packet *p, enum packet_fate why)
{
    (void)arg;
    (void)p;
    dropped++;
    fate = why;
}

static int set_up(void **state)
{
    dropped = 0;
    *state = packet_pool_new();
    return 0;
}

static int tear_down(void **state)
{
    packet_pool_free(*state);
    return 0;
}

/* A frame from source number src, marked at its end. */
static void push(struct backlog *b, struct packet_pool *pool, uint8_t src, size_t len, uint8_t mark,
                 int64_t now)
{
    struct packet *p = packet_new(pool, len, PACKET_OTHER);

    memset(p->data, 0, len);
    p->data[FRAME_HEADER_LEN] = src;
    p->data[len - 1] = mark;
    p->since_ms = now;
    backlog_push(b, p);
}

/* Source and mark of the next packet, as src * 256 + mark; -1: none. */
static int pop(struct backlog *b, struct packet_pool *pool, int64_t now)
{
    struct packet *p = backlog_pop(b, now, false, pool, note_drop, NULL);
    int what;

    if (p == NULL)
        return -1;
    what = p->data[FRAME_HEADER_LEN] * 256 + p->data[p->len - 1];
    packet_free(pool, p);
    return what;
}

static void empty(struct backlog *b, struct packet_pool *pool)
{
    while (pop(b, pool, 0) >= 0)
        ;
    assert_int_equal(backlog_bytes(b), 0);
    backlog_free(b);
}

static void test_small_before_bulk_of_the_same_source(void **state)
{
    struct backlog *b = backlog_new(false);

    for (uint8_t i = 0; i < 20; i++)
        push(b, *state, 1, BULK, i, 0);
    push(b, *state, 1, SMALL, 100, 0);
    push(b, *state, 2, SMALL, 101, 0);
    assert_int_equal(backlog_small_bytes(b), 2 * SMALL);
    assert_int_equal(pop(b, *state, 0), 1 * 256 + 100);
    assert_int_equal(pop(b, *state, 0), 2 * 256 + 101);
    for (int i = 0; i < 20; i++)
        assert_int_equal(pop(b, *state, 0), 1 * 256 + i); /* in their order */
    assert_int_equal(pop(b, *state, 0), -1);
    backlog_free(b);
}

/* A flood of small packets leaves bulk its share. */
static void test_bulk_stays_alive(void **state)
{
    struct backlog *b = backlog_new(false);
    size_t small = 0, bulk = 0;

    for (int i = 0; i < 400; i++)
        push(b, *state, 1, SMALL, 0, 0);
    for (int i = 0; i < 40; i++)
        push(b, *state, 2, BULK, 0, 0);
    while (small + bulk < 40000)
        if (pop(b, *state, 0) >> 8 == 1)
            small += SMALL;
        else
            bulk += BULK;
    assert_in_range(bulk, 40000 / BULK_SHARE - 2 * BULK, 40000 / BULK_SHARE + 2 * BULK);
    empty(b, *state);
}

static void test_sources_take_turns_by_bytes(void **state)
{
    struct backlog *b = backlog_new(false);
    size_t bytes[3] = {0};

    /* One with many packets, one with large ones, one with few. */
    for (int i = 0; i < 300; i++)
        push(b, *state, 0, BULK, 0, 0);
    for (int i = 0; i < 20; i++)
        push(b, *state, 1, 20000, 0, 0);
    for (int i = 0; i < 100; i++)
        push(b, *state, 2, BULK, 0, 0);
    for (int i = 0; i < 200; i++) {
        struct packet *p = backlog_pop(b, 0, false, *state, note_drop, NULL);
        bytes[p->data[FRAME_HEADER_LEN]] += p->len;
        packet_free(*state, p);
    }
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            assert_true(bytes[i] < bytes[j] + 2 * 20000);
    assert_int_equal(dropped, 0);
    empty(b, *state);
}

static void test_urgent_only(void **state)
{
    struct backlog *b = backlog_new(false);
    struct packet *p;

    push(b, *state, 1, BULK, 1, 0);
    assert_null(backlog_pop(b, 0, true, *state, note_drop, NULL));
    push(b, *state, 1, SMALL, 2, 0);
    p = backlog_pop(b, 0, true, *state, note_drop, NULL);
    assert_int_equal(p->len, SMALL);
    packet_free(*state, p);
    assert_null(backlog_pop(b, 0, true, *state, note_drop, NULL));
    assert_int_equal(pop(b, *state, 0), 256 + 1);
    backlog_free(b);
}

/* More comes than leaves, for ever. */
/* Large packets get their share of ordinary turns only; those for what is urgent are the pacer's
 * to balance. */
static void test_urgent_turns_give_no_credit(void **state)
{
    struct backlog *b = backlog_new(false);

    for (uint8_t i = 0; i < 4; i++)
        push(b, *state, 1, BULK, i, 0);
    for (int i = 0; i < 1000; i++) {
        push(b, *state, 1, SMALL, 100, 0);
        packet_free(*state, backlog_pop(b, 0, true, *state, note_drop, NULL));
    }
    push(b, *state, 1, SMALL, 101, 0);
    assert_int_equal(pop(b, *state, 0), 1 * 256 + 101);
    empty(b, *state);
}

static void test_codel_bounds_the_wait(void **state)
{
    struct backlog *b = backlog_new(false);
    int64_t waited = 0, worst = 0;
    unsigned sent = 0;

    for (int64_t now = 0; now < 20000; now += 3) { /* 3 ms a packet: 3.6 Mbit/s */
        struct packet *p;

        push(b, *state, 1, BULK, 0, now);
        if (now % 2 == 0) /* half as much again as can leave, and it does not slow down */
            push(b, *state, 1, BULK, 0, now);
        p = backlog_pop(b, now, false, *state, note_drop, NULL);
        assert_non_null(p);
        if (now > 10000) {
            waited += now - p->since_ms;
            sent++;
            if (now - p->since_ms > worst)
                worst = now - p->since_ms;
        }
        packet_free(*state, p);
    }
    assert_true(dropped > 100);
    assert_int_equal(fate, PACKET_LATE);
    assert_true(waited / sent < BACKLOG_MAX_MS); /* without drops 5 s by now, and growing */
    assert_true(worst <= BACKLOG_MAX_MS + 3);
    empty(b, *state);
}

/* A short burst is no standing queue. */
static void test_codel_lets_bursts_pass(void **state)
{
    struct backlog *b = backlog_new(false);

    for (int round = 0; round < 10; round++) {
        int64_t begin = round * 1000;

        for (int i = 0; i < 50; i++)
            push(b, *state, 1, BULK, 0, begin);
        for (int i = 0; i < 50; i++)
            assert_true(pop(b, *state, begin + 3 * i) >= 0);
    }
    assert_int_equal(dropped, 0);
    backlog_free(b);
}

/* Nothing that is older is sent, also when a line wakes up after a while. */
static void test_too_old_is_never_sent(void **state)
{
    struct backlog *b = backlog_new(false);
    struct packet *p;

    for (int64_t now = 0; now < 300; now++)
        push(b, *state, 1, BULK, 0, now);
    push(b, *state, 1, BULK, 0, 1900);
    for (int64_t now = 2000; (p = backlog_pop(b, now, false, *state, note_drop, NULL)) != NULL;
         now++) {
        assert_true(now - p->since_ms <= BACKLOG_MAX_MS);
        packet_free(*state, p);
    }
    assert_int_equal(dropped, 300);
    backlog_free(b);
}

static void test_late_ones_can_be_kept(void **state)
{
    struct backlog *b = backlog_new(true);

    for (int i = 0; i < 10; i++)
        push(b, *state, 1, BULK, 0, 0);
    for (int i = 0; i < 10; i++)
        assert_true(pop(b, *state, 100000 * i) >= 0);
    assert_int_equal(dropped, 0);
    backlog_free(b);
}

static void test_shed_takes_from_the_fattest(void **state)
{
    struct backlog *b = backlog_new(false);
    struct packet *p;

    push(b, *state, 1, SMALL, 0, 0);
    for (uint8_t i = 0; i < 3; i++)
        push(b, *state, 2, BULK, i, 0);
    push(b, *state, 3, BULK, 9, 0);
    p = backlog_shed(b);
    assert_int_equal(p->data[FRAME_HEADER_LEN], 2);
    assert_int_equal(p->data[p->len - 1], 0); /* its oldest */
    packet_free(*state, p);
    for (int i = 0; i < 4; i++)
        packet_free(*state, backlog_shed(b));
    assert_int_equal(backlog_bytes(b), 0);
    assert_null(backlog_shed(b));
    assert_int_equal(pop(b, *state, 0), -1); /* flows that were emptied so */
    push(b, *state, 2, BULK, 7, 0);
    assert_int_equal(pop(b, *state, 0), 2 * 256 + 7);
    backlog_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_small_before_bulk_of_the_same_source, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_bulk_stays_alive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sources_take_turns_by_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_urgent_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_urgent_turns_give_no_credit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_codel_bounds_the_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_codel_lets_bursts_pass, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_old_is_never_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_ones_can_be_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shed_takes_from_the_fattest, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
