/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts of tests/bench/load: what is measured rests on them. */
#include "tests/bench/load/histogram.c"
#include "tests/bench/load/schedule.c"
#include "tests/bench/load/stamp.c"

#include "tests/unit/unit.h"

static void test_small_values_are_exact(void **state)
{
    (void)state;
    static struct histogram h;

    assert_int_equal(histogram_quantile(&h, .5), 0);
    for (uint64_t v = 0; v < 64; v++)
        histogram_add(&h, v);
    assert_int_equal(h.count, 64);
    assert_int_equal(histogram_quantile(&h, 0), 0);
    assert_int_equal(histogram_quantile(&h, .5), 31);
    assert_int_equal(histogram_quantile(&h, 1), 63);
}

static void test_large_values_are_close(void **state)
{
    (void)state;

    for (uint64_t v = 64; v < 1ULL << 41; v = v * 5 / 3) {
        static struct histogram h;

        h = (struct histogram){0};
        histogram_add(&h, v);
        histogram_add(&h, v * 100);
        assert_in_range(histogram_quantile(&h, .5), v, v + v / 60);
        assert_int_equal(h.max, v * 100);
    }
}

static void test_quantiles(void **state)
{
    (void)state;
    static struct histogram h;

    for (uint64_t v = 1; v <= 10000; v++)
        histogram_add(&h, v);
    assert_in_range(histogram_quantile(&h, .5), 5000, 5080);
    assert_in_range(histogram_quantile(&h, .99), 9900, 10000);
    assert_int_equal(histogram_quantile(&h, 1), 10000);
}

static void test_schedule_keeps_order(void **state)
{
    (void)state;
    struct schedule_entry room[50];
    struct schedule s = {room, 0};
    int64_t last = 0;

    for (uint32_t i = 0; i < 50; i++)
        schedule_add(&s, (int64_t)(i * 37 % 50), i);
    for (int i = 0; i < 1000; i++) {
        assert_true(s.entries[0].at_ns >= last);
        last = s.entries[0].at_ns;
        schedule_put_off(&s, last + 1 + i * 29 % 31);
    }
    assert_int_equal(s.count, 50);
}

static void test_stamps_are_checked(void **state)
{
    (void)state;
    static uint8_t packet[65536];
    static const size_t lengths[] = {STAMP_LEN, 62, 1312, sizeof packet};

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct stamp in = {.stream = 7, .seq = 1000 + i, .due_ns = 1ULL << 60, .is_disco = i == 1};
        struct stamp out;

        stamp_write(packet, lengths[i], &in);
        assert_true(stamp_read(packet, lengths[i], &out));
        assert_int_equal(out.stream, in.stream);
        assert_int_equal(out.seq, in.seq);
        assert_int_equal(out.due_ns, in.due_ns);
        assert_int_equal(out.is_disco, in.is_disco);
        if (lengths[i] > STAMP_LEN) {
            packet[lengths[i] - 1] ^= 1;
            assert_false(stamp_read(packet, lengths[i], &out));
        }
        packet[0] ^= 1;
        assert_false(stamp_read(packet, lengths[i], &out));
        assert_false(stamp_read(packet, STAMP_LEN - 1, &out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_large_values_are_close),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_schedule_keeps_order),
        cmocka_unit_test(test_stamps_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
