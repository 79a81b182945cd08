/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/names.c"

#include <semaphore.h>

#include "tests/unit/unit.h"

/* What one question was answered. */
struct answer {
    sem_t *told;
    struct endpoint *list;
    size_t *count;
    char *problem;
};

static sem_t told;
static struct endpoint list[NAMES_MAX];
static size_t count;
static char problem[200];

static void see(void *arg, const struct endpoint *l, size_t n, const char *why)
{
    const struct answer *a = arg;

    memcpy(a->list, l, n * sizeof *l);
    *a->count = n;
    snprintf(a->problem, sizeof problem, "%s", why);
    sem_post(a->told);
}

static void ask(struct names *n, const char *host, uint16_t port)
{
    struct answer *a = mem_alloc(1, sizeof *a);

    *a = (struct answer){&told, list, &count, problem};
    names_ask(n, host, port, see, a);
}

static void test_addresses(void **state)
{
    (void)state;
    struct names *n = names_new();
    char text[ENDPOINT_TEXT];

    sem_init(&told, 0, 0);
    ask(n, "192.0.2.7", 8443);
    sem_wait(&told);
    assert_int_equal(count, 1);
    assert_string_equal(endpoint_print(&list[0], text), "192.0.2.7:8443");
    assert_string_equal(problem, "");
    ask(n, "2001:db8::7", 443);
    sem_wait(&told);
    assert_int_equal(count, 1);
    assert_string_equal(endpoint_print(&list[0], text), "[2001:db8::7]:443");
    names_free(n);
}

static void test_no_such_name(void **state)
{
    (void)state;
    struct names *n = names_new();

    sem_init(&told, 0, 0);
    ask(n, "not a name", 443); /* no server is asked about this */
    sem_wait(&told);
    assert_int_equal(count, 0);
    assert_true(problem[0] != '\0');
    names_free(n);
}

/* Questions that were not answered yet are dropped with their arguments. */
static void test_freed_at_once(void **state)
{
    (void)state;

    for (int i = 0; i < 50; i++) {
        struct names *n = names_new();

        for (int k = 0; k < 3; k++)
            ask(n, "192.0.2.7", 1);
        names_free(n);
    }
    names_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_no_such_name),
        cmocka_unit_test(test_freed_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
