/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/admission_queue.c"

#include "base/mem.h"
#include "tests/unit/unit.h"

static struct admission_queue queue;

static int forget(void **state)
{
    (void)state;
    admission_queue_clear(&queue);
    assert_int_equal(queue.count, 0);
    return 0;
}

static void push(struct admission_queue *q, handle_t from, handle_t to)
{
    for (handle_t who = from; who <= to; who++) {
        struct admission_question *one = mem_alloc(1, sizeof *one);
        one->who = who;
        admission_queue_push(q, one);
    }
}

static void pops(handle_t who)
{
    struct admission_question *one = admission_queue_pop(&queue);

    assert_non_null(one);
    assert_int_equal(one->who, who);
    free(one);
}

static bool is_odd(void *arg, handle_t who)
{
    *(int *)arg += 1;
    return who % 2 == 1;
}

static void test_oldest_first(void **state)
{
    (void)state;
    struct admission_queue more = {0};

    assert_null(admission_queue_pop(&queue));
    push(&queue, 1, 2);
    push(&more, 3, 4);
    admission_queue_append(&queue, &more);
    assert_int_equal(more.count, 0);
    assert_int_equal(queue.count, 4);
    pops(1);
    pops(2);
    push(&queue, 5, 5);
    pops(3);
    pops(4);
    pops(5);
    assert_null(admission_queue_pop(&queue));
    push(&queue, 6, 6);
    pops(6);
}

static void test_prune(void **state)
{
    (void)state;
    int asked = 0;

    push(&queue, 1, 6);
    admission_queue_prune(&queue, is_odd, &asked);
    assert_int_equal(asked, 6);
    assert_int_equal(queue.count, 3);
    pops(1);
    pops(3);
    pops(5);
    push(&queue, 2, 2);
    admission_queue_prune(&queue, is_odd, &asked);
    assert_int_equal(queue.count, 0);
    assert_null(admission_queue_pop(&queue));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_oldest_first, forget),
        cmocka_unit_test_teardown(test_prune, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
