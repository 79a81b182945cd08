/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.c"

#include "tests/unit/unit.h"

static void empty_reads_as_empty_text(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_string_equal(buf_text(&b), "");
    buf_consume(&b, 0);
    assert_null(b.data);
    buf_free(&b);
}

static void appends_up_to_the_ceiling(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    assert_true(buf_puts(&b, "abc"));
    assert_false(buf_puts(&b, "def"));
    assert_string_equal(buf_text(&b), "abc");
    assert_true(buf_printf(&b, "%d", 12));
    assert_false(buf_printf(&b, "%s", "x"));
    assert_true(buf_append(&b, NULL, 0));
    assert_string_equal(buf_text(&b), "abc12");
    assert_false(buf_append(&b, "x", SIZE_MAX));
    buf_free(&b);
    assert_int_equal(b.max, 5);
    assert_true(buf_puts(&b, "again"));
    buf_free(&b);
}

static void terminates_after_reserve(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    char *room = buf_reserve(&b, 10);
    assert_non_null(room);
    memset(room, 'x', 10);
    b.len += 4;
    assert_string_equal(buf_text(&b), "xxxx");
    assert_null(buf_reserve(&b, 997));
    assert_int_equal(b.len, 4);
    assert_non_null(buf_reserve(&b, 996));
    buf_free(&b);
}

static void consumes_from_the_front(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_puts(&b, "hello world");
    buf_consume(&b, 6);
    assert_string_equal(buf_text(&b), "world");
    buf_consume(&b, 5);
    assert_string_equal(buf_text(&b), "");
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void grows_in_steps_and_never_past_the_ceiling(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 100000; i++) {
        assert_true(buf_append(&b, "y", 1));
        assert_true(b.cap <= b.max + 1);
    }
    assert_false(buf_append(&b, "y", 1));
    assert_int_equal(strlen(buf_text(&b)), 100000);
    buf_free(&b);
}

static void zero_ceiling_and_no_ceiling(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 0);
    assert_false(buf_puts(&b, "x"));
    assert_true(buf_puts(&b, ""));
    assert_string_equal(buf_text(&b), "");
    buf_free(&b);
    buf_init(&b, SIZE_MAX);
    assert_true(buf_puts(&b, "x"));
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_wipe(&b);
    assert_null(b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_reads_as_empty_text),
        cmocka_unit_test(appends_up_to_the_ceiling),
        cmocka_unit_test(terminates_after_reserve),
        cmocka_unit_test(consumes_from_the_front),
        cmocka_unit_test(grows_in_steps_and_never_past_the_ceiling),
        cmocka_unit_test(zero_ceiling_and_no_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
