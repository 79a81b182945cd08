/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/outbox.c"

#include "derp/relay/counters.h"
#include "tests/unit/unit.h"

struct drops {
    unsigned count;
    uint8_t last; /* first byte of the last dropped packet */
    enum packet_fate why;
};

static void note_drop(void *arg, const struct packet *p, enum packet_fate why)
{
    struct drops *d = arg;

    d->why = why;
    d->count++;
    d->last = p->data[0];
}

static struct packet *make(struct packet_pool *pool, size_t len, enum packet_kind kind,
                           uint8_t mark)
{
    struct packet *p = packet_new(pool, len, kind);

    memset(p->data, mark, len);
    return p;
}

static int set_up(void **state)
{
    *state = packet_pool_new();
    return 0;
}

static int tear_down(void **state)
{
    packet_pool_free(*state);
    return 0;
}

static int64_t waits[4];
static unsigned wait_count;

static void note_wait(void *arg, int64_t waited_ms)
{
    (void)arg;
    waits[wait_count++ % 4] = waited_ms;
}

/* Of relayed packets only, when they are sent; the bucket is that of the least bound above. */
static void test_how_long_packets_wait(void **state)
{
    (void)state;
    struct outbox o = {0};
    struct outbox_tools tools = {.pool = *state, .took = note_wait};
    uint8_t out[100];

    outbox_push(&o, make(*state, 10, PACKET_OTHER, 'o'), &tools);
    tools.now_ms = 3;
    outbox_push(&o, make(*state, 10, PACKET_OTHER, 'p'), &tools);
    outbox_push(&o, make(*state, 10, PACKET_DISCO, 'd'), &tools);
    tools.now_ms = 4;
    outbox_fill(&o, out, sizeof out, sizeof out, OUTBOX_ALL, &tools);
    assert_int_equal(wait_count, 2);
    assert_int_equal(waits[0], 4);
    assert_int_equal(waits[1], 1);
    assert_int_equal(counter_of_wait(0), COUNTER_QUEUE_1MS);
    assert_int_equal(counter_of_wait(1), COUNTER_QUEUE_1MS);
    assert_int_equal(counter_of_wait(2), COUNTER_QUEUE_5MS);
    assert_int_equal(counter_of_wait(500), COUNTER_QUEUE_500MS);
    assert_int_equal(counter_of_wait(501), COUNTER_QUEUE_MORE);
}

static void test_lanes_in_order(void **state)
{
    struct outbox o = {0};
    struct outbox_tools tools = {.pool = *state};
    uint8_t out[100];

    assert_true(outbox_empty(&o));
    outbox_push(&o, make(*state, 10, PACKET_OTHER, 'o'), &tools);
    outbox_push(&o, make(*state, 10, PACKET_OTHER, 'p'), &tools);
    outbox_push(&o, make(*state, 10, PACKET_DISCO, 'd'), &tools);
    outbox_push(&o, make(*state, 10, PACKET_CONTROL, 'c'), &tools);
    assert_int_equal(outbox_bytes(&o), 40);
    assert_false(outbox_empty(&o));
    assert_int_equal(outbox_fill(&o, out, sizeof out, sizeof out, OUTBOX_ALL, &tools), 40);
    assert_int_equal(out[0], 'c');
    assert_int_equal(out[10], 'd');
    assert_int_equal(out[20], 'o');
    assert_int_equal(out[30], 'p');
    assert_true(outbox_empty(&o));
}

/* A frame that does not fit waits for the next record; one longer than any record is cut. */
static void test_frames_and_records(void **state)
{
    struct outbox o = {0};
    struct outbox_tools tools = {.pool = *state};
    uint8_t out[100];

    outbox_push(&o, make(*state, 60, PACKET_OTHER, 'a'), &tools);
    outbox_push(&o, make(*state, 60, PACKET_OTHER, 'b'), &tools);
    outbox_push(&o, make(*state, 250, PACKET_OTHER, 'c'), &tools);
    assert_int_equal(outbox_fill(&o, out, sizeof out, sizeof out, OUTBOX_ALL, &tools), 60);
    assert_int_equal(outbox_fill(&o, out, sizeof out, sizeof out, OUTBOX_ALL, &tools), 60);
    assert_int_equal(out[0], 'b');
    assert_int_equal(outbox_fill(&o, out, sizeof out, sizeof out, OUTBOX_ALL, &tools), 100);
    /* what comes meanwhile must not get into the middle of a frame */
    outbox_push(&o, make(*state, 10, PACKET_CONTROL, 'x'), &tools);
    assert_false(outbox_empty(&o));
    assert_int_equal(outbox_fill(&o, out, sizeof out, sizeof out, OUTBOX_ALL, &tools), 100);
    assert_int_equal(out[99], 'c');
    assert_int_equal(outbox_fill(&o, out, sizeof out, sizeof out, OUTBOX_ALL, &tools), 60);
    assert_int_equal(out[49], 'c');
    assert_int_equal(out[50], 'x');
    assert_int_equal(outbox_fill(&o, out, sizeof out, sizeof out, OUTBOX_ALL, &tools), 0);
}

static void test_oldest_go_first(void **state)
{
    struct outbox o = {0};
    struct drops d = {0};
    struct outbox_tools tools = {.pool = *state, .drop = note_drop, .arg = &d};
    size_t n = outbox_client_limits.lanes[PACKET_OTHER] / 65536;

    for (size_t i = 0; i < n; i++)
        assert_true(outbox_push(&o, make(*state, 65536, PACKET_OTHER, (uint8_t)i), &tools));
    assert_int_equal(d.count, 0);
    outbox_push(&o, make(*state, 1, PACKET_OTHER, 'z'), &tools);
    assert_int_equal(d.count, 1);
    assert_int_equal(d.last, 0);
    outbox_push(&o, make(*state, 65536, PACKET_OTHER, 'y'), &tools);
    assert_int_equal(d.count, 2);
    assert_int_equal(d.last, 1);
    /* a full data lane takes nothing from disco */
    outbox_push(&o, make(*state, 100, PACKET_DISCO, 'd'), &tools);
    assert_int_equal(d.count, 2);
    assert_true(outbox_bytes(&o) <= outbox_client_limits.lanes[PACKET_OTHER] + 100);
    outbox_clear(&o, &tools);
    assert_int_equal(d.count, 2 + (n - 2) + 2 + 1);
    assert_true(outbox_empty(&o));
    assert_int_equal(d.why, PACKET_LEFT);
    /* also when nobody counts them */
    tools.drop = NULL;
    for (size_t i = 0; i < n + 5; i++)
        outbox_push(&o, make(*state, 65536, PACKET_OTHER, 'q'), &tools);
    assert_int_equal(outbox_bytes(&o), outbox_client_limits.lanes[PACKET_OTHER]);
    tools.drop = note_drop;
    outbox_clear(&o, &tools);
    assert_int_equal(d.count, 2 + (n - 2) + 2 + 1 + n);
}

static void test_control_is_never_dropped(void **state)
{
    struct outbox o = {0};
    struct drops d = {0};
    struct outbox_tools tools = {.pool = *state, .drop = note_drop, .arg = &d};
    size_t pushed = 0;

    while (outbox_push(&o, make(*state, 1000, PACKET_CONTROL, 'c'), &tools))
        pushed++;
    assert_int_equal(pushed, outbox_client_limits.lanes[PACKET_CONTROL] / 1000);
    assert_int_equal(d.count, 0);
    outbox_clear(&o, &tools);
}

/* A frame as it is relayed: a header, then the source's key. */
static struct packet *from(struct packet_pool *pool, uint8_t src, size_t len, uint8_t mark)
{
    struct packet *p = make(pool, len, PACKET_OTHER, 0);

    p->data[0] = mark;
    p->data[5] = src;
    return p;
}

static void test_order_while_the_line_takes_all(void **state)
{
    struct outbox o = {0};
    struct outbox_tools tools = {.pool = *state};
    uint8_t out[4000];

    outbox_push(&o, from(*state, 1, 1349, 'a'), &tools);
    outbox_push(&o, from(*state, 1, 137, 'b'), &tools);
    outbox_push(&o, from(*state, 2, 1349, 'c'), &tools);
    assert_false(outbox_has_urgent(&o));
    assert_int_equal(outbox_fill(&o, out, sizeof out, sizeof out, OUTBOX_ALL, &tools), 2835);
    assert_int_equal(out[0], 'a');
    assert_int_equal(out[1349], 'b');
    assert_int_equal(out[1349 + 137], 'c');
}

/* Alone, or in front, a small packet is urgent also on a line that is not behind. */
static void test_urgent_before_it_is_congested(void **state)
{
    struct outbox o = {0};
    struct outbox_tools tools = {.pool = *state};
    uint8_t out[4000];

    outbox_push(&o, from(*state, 1, 137, 'a'), &tools);
    outbox_push(&o, from(*state, 1, 1349, 'b'), &tools);
    outbox_push(&o, from(*state, 1, 137, 'c'), &tools);
    assert_true(outbox_has_urgent(&o));
    assert_int_equal(outbox_fill(&o, out, sizeof out, sizeof out, OUTBOX_URGENT, &tools), 137);
    assert_int_equal(out[0], 'a');
    assert_false(outbox_has_urgent(&o)); /* what is behind a large one keeps its place */
    assert_int_equal(outbox_fill(&o, out, sizeof out, sizeof out, OUTBOX_ALL, &tools), 1349 + 137);
}

static void test_order_when_it_does_not(void **state)
{
    struct outbox o = {0};
    struct drops d = {0};
    struct outbox_tools tools = {.pool = *state, .drop = note_drop, .arg = &d};
    uint8_t out[4000];

    outbox_push(&o, from(*state, 1, 1349, 'a'), &tools);
    tools.now_ms += OUTBOX_CONGESTED_MS - 1;
    outbox_push(&o, from(*state, 1, 1349, 'A'), &tools);
    assert_null(o.backlog); /* not for long yet */
    tools.now_ms++;
    outbox_push(&o, from(*state, 1, 137, 'b'), &tools);
    assert_non_null(o.backlog);
    outbox_push(&o, make(*state, 100, PACKET_DISCO, 'd'), &tools);
    assert_int_equal(outbox_bytes(&o), 2 * 1349 + 137 + 100);
    assert_true(outbox_has_urgent(&o));
    /* urgent: disco, then small */
    assert_int_equal(outbox_fill(&o, out, sizeof out, sizeof out, OUTBOX_URGENT, &tools), 237);
    assert_int_equal(out[0], 'd');
    assert_int_equal(out[100], 'b');
    assert_false(outbox_has_urgent(&o));
    assert_int_equal(outbox_fill(&o, out, sizeof out, sizeof out, OUTBOX_URGENT, &tools), 0);
    assert_int_equal(outbox_fill(&o, out, sizeof out, sizeof out, OUTBOX_ALL, &tools), 2 * 1349);
    assert_int_equal(out[0], 'a');
    assert_int_equal(out[1349], 'A');
    assert_null(o.backlog); /* congested no more */
    assert_true(outbox_empty(&o));
    /* what is left goes with the session */
    for (int i = 0; i < 2; i++) {
        outbox_push(&o, from(*state, 1, 1349, 'a'), &tools);
        tools.now_ms += OUTBOX_CONGESTED_MS;
    }
    outbox_clear(&o, &tools);
    assert_int_equal(d.count, 2);
    assert_int_equal(d.why, PACKET_LEFT);
    assert_null(o.backlog);
}

/* The goal is reached by whole frames, if there is room. */
static void test_goal(void **state)
{
    struct outbox o = {0};
    struct outbox_tools tools = {.pool = *state};
    uint8_t out[4000];

    for (int i = 0; i < 5; i++)
        outbox_push(&o, from(*state, 1, 1349, 'a'), &tools);
    assert_int_equal(outbox_fill(&o, out, sizeof out, 1, OUTBOX_ALL, &tools), 1349);
    assert_int_equal(outbox_fill(&o, out, sizeof out, 1350, OUTBOX_ALL, &tools), 2 * 1349);
    tools.now_ms += OUTBOX_CONGESTED_MS;
    outbox_push(&o, from(*state, 1, 1349, 'a'), &tools);
    assert_int_equal(outbox_fill(&o, out, sizeof out, 1, OUTBOX_ALL, &tools), 1349);
    assert_int_equal(outbox_fill(&o, out, sizeof out, 1, OUTBOX_ALL, &tools), 1349);
    assert_int_equal(outbox_fill(&o, out, 1000, 1000, OUTBOX_ALL, &tools), 1000); /* cut */
    assert_true(outbox_has_urgent(&o));                                           /* its rest */
    assert_int_equal(outbox_fill(&o, out, sizeof out, 1, OUTBOX_URGENT, &tools), 349);
    assert_true(outbox_empty(&o));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_how_long_packets_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lanes_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_frames_and_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_oldest_go_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_control_is_never_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_while_the_line_takes_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_urgent_before_it_is_congested, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_when_it_does_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_goal, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
