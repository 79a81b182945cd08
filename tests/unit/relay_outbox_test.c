/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/outbox.c"

#include "tests/unit/unit.h"

struct drops {
    unsigned count;
    uint8_t last; /* first byte of the last dropped packet */
};

static void note_drop(void *arg, const struct packet *p)
{
    struct drops *d = arg;

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

static void test_lanes_in_order(void **state)
{
    struct outbox o = {0};
    uint8_t out[100];

    assert_true(outbox_empty(&o));
    outbox_push(&o, *state, make(*state, 10, PACKET_OTHER, 'o'), NULL, NULL);
    outbox_push(&o, *state, make(*state, 10, PACKET_OTHER, 'p'), NULL, NULL);
    outbox_push(&o, *state, make(*state, 10, PACKET_DISCO, 'd'), NULL, NULL);
    outbox_push(&o, *state, make(*state, 10, PACKET_CONTROL, 'c'), NULL, NULL);
    assert_int_equal(outbox_bytes(&o), 40);
    assert_false(outbox_empty(&o));
    assert_int_equal(outbox_fill(&o, *state, out, sizeof out), 40);
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
    uint8_t out[100];

    outbox_push(&o, *state, make(*state, 60, PACKET_OTHER, 'a'), NULL, NULL);
    outbox_push(&o, *state, make(*state, 60, PACKET_OTHER, 'b'), NULL, NULL);
    outbox_push(&o, *state, make(*state, 250, PACKET_OTHER, 'c'), NULL, NULL);
    assert_int_equal(outbox_fill(&o, *state, out, sizeof out), 60);
    assert_int_equal(outbox_fill(&o, *state, out, sizeof out), 60);
    assert_int_equal(out[0], 'b');
    assert_int_equal(outbox_fill(&o, *state, out, sizeof out), 100);
    /* what comes meanwhile must not get into the middle of a frame */
    outbox_push(&o, *state, make(*state, 10, PACKET_CONTROL, 'x'), NULL, NULL);
    assert_false(outbox_empty(&o));
    assert_int_equal(outbox_fill(&o, *state, out, sizeof out), 100);
    assert_int_equal(out[99], 'c');
    assert_int_equal(outbox_fill(&o, *state, out, sizeof out), 60);
    assert_int_equal(out[49], 'c');
    assert_int_equal(out[50], 'x');
    assert_int_equal(outbox_fill(&o, *state, out, sizeof out), 0);
}

static void test_oldest_go_first(void **state)
{
    struct outbox o = {0};
    struct drops d = {0};
    size_t n = outbox_client_limits.lanes[PACKET_OTHER] / 65536;

    for (size_t i = 0; i < n; i++)
        assert_true(
            outbox_push(&o, *state, make(*state, 65536, PACKET_OTHER, (uint8_t)i), note_drop, &d));
    assert_int_equal(d.count, 0);
    outbox_push(&o, *state, make(*state, 1, PACKET_OTHER, 'z'), note_drop, &d);
    assert_int_equal(d.count, 1);
    assert_int_equal(d.last, 0);
    outbox_push(&o, *state, make(*state, 65536, PACKET_OTHER, 'y'), note_drop, &d);
    assert_int_equal(d.count, 2);
    assert_int_equal(d.last, 1);
    /* a full data lane takes nothing from disco */
    outbox_push(&o, *state, make(*state, 100, PACKET_DISCO, 'd'), note_drop, &d);
    assert_int_equal(d.count, 2);
    assert_true(outbox_bytes(&o) <= outbox_client_limits.lanes[PACKET_OTHER] + 100);
    outbox_clear(&o, *state, note_drop, &d);
    assert_int_equal(d.count, 2 + (n - 2) + 2 + 1);
    assert_true(outbox_empty(&o));
    /* also when nobody counts them */
    for (size_t i = 0; i < n + 5; i++)
        outbox_push(&o, *state, make(*state, 65536, PACKET_OTHER, 'q'), NULL, NULL);
    assert_int_equal(outbox_bytes(&o), outbox_client_limits.lanes[PACKET_OTHER]);
    outbox_clear(&o, *state, note_drop, &d);
    assert_int_equal(d.count, 2 + (n - 2) + 2 + 1 + n);
}

static void test_control_is_never_dropped(void **state)
{
    struct outbox o = {0};
    struct drops d = {0};
    size_t pushed = 0;

    while (outbox_push(&o, *state, make(*state, 1000, PACKET_CONTROL, 'c'), note_drop, &d))
        pushed++;
    assert_int_equal(pushed, outbox_client_limits.lanes[PACKET_CONTROL] / 1000);
    assert_int_equal(d.count, 0);
    outbox_clear(&o, *state, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lanes_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_frames_and_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_oldest_go_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_control_is_never_dropped, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
