/* SPDX-License-Identifier: Apache-2.0 */
/* Names are answered by the test, in place of derp/net/names.c. */
#define names_new  fake_new
#define names_ask  fake_ask
#define names_free fake_free
#include "derp/relay/bootstrap.c"

#include "tests/unit/unit.h"

static struct question {
    char *host;
    names_done done;
    void *arg;
} questions[64];
static size_t asked;
static bool is_freed;

struct names *fake_new(void)
{
    return (struct names *)(void *)questions;
}

void fake_ask(struct names *n, const char *host, uint16_t port, names_done done, void *arg)
{
    (void)n;
    assert_int_equal(port, 0);
    questions[asked++] = (struct question){mem_strdup(host), done, arg};
}

void fake_free(struct names *n)
{
    is_freed = n != NULL;
}

struct fixture {
    struct loop *loop;
    struct site *site;
    struct bootstrap *b;
};

static int setup(void **state)
{
    struct fixture *x = mem_alloc(1, sizeof *x);

    asked = 0;
    is_freed = false;
    x->loop = loop_new();
    x->site = site_new();
    x->b = bootstrap_new(x->loop, x->site);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;

    bootstrap_free(x->b);
    site_free(x->site);
    loop_free(x->loop);
    for (size_t i = 0; i < asked; i++) {
        free(questions[i].host);
        free(questions[i].arg);
    }
    free(x);
    return 0;
}

static void set(struct fixture *x, const char *first, const char *second)
{
    struct config_names names = {.list = {(char *)first, (char *)second}};

    names.count = (first != NULL) + (second != NULL);
    bootstrap_set(x->b, &names);
}

/* Answers question i with addresses, or (NULL) with none. */
static void answer(size_t i, const char *one, const char *two)
{
    struct endpoint list[2];
    size_t count = 0;

    if (one != NULL)
        assert_true(endpoint_parse_ip(one, &list[count++]));
    if (two != NULL)
        assert_true(endpoint_parse_ip(two, &list[count++]));
    questions[i].done(questions[i].arg, list, count, count > 0 ? "" : "no such name");
}

static void tells(struct fixture *x, const char *json)
{
    struct http_site site;
    struct site_visit visit;

    site_enter(x->site, &visit, &site);
    assert_string_equal(site.names, json);
    site_leave(x->site, &visit);
}

static void test_names_are_told(void **state)
{
    struct fixture *x = *state;

    set(x, NULL, NULL);
    tells(x, "{}\n");
    assert_int_equal(asked, 0);
    set(x, "a.example", "b.example");
    assert_int_equal(asked, 2);
    assert_string_equal(questions[0].host, "a.example");
    assert_string_equal(questions[1].host, "b.example");
    answer(0, "192.0.2.1", NULL);
    tells(x, "{}\n"); /* all at once, when all are known */
    answer(1, "2001:db8::1", NULL);
    tells(x, "{\n\t\"a.example\": [\n\t\t\"192.0.2.1\"\n\t],\n"
             "\t\"b.example\": [\n\t\t\"2001:db8::1\"\n\t]\n}\n");
    set(x, "b.example", NULL);
    tells(x, "{\n\t\"b.example\": [\n\t\t\"2001:db8::1\"\n\t]\n}\n");
    set(x, NULL, NULL);
    tells(x, "{}\n");
}

static void test_name_without_address(void **state)
{
    struct fixture *x = *state;

    set(x, "a.example", "b.example");
    answer(0, NULL, NULL);
    answer(1, "192.0.2.1", NULL);
    tells(x, "{\n\t\"b.example\": [\n\t\t\"192.0.2.1\"\n\t]\n}\n");
}

/* An answer to a question about names that have changed since is not taken. */
static void test_names_change_meanwhile(void **state)
{
    struct fixture *x = *state;

    set(x, "a.example", NULL);
    set(x, "b.example", NULL);
    answer(0, "192.0.2.1", NULL);
    tells(x, "{}\n");
    answer(1, "192.0.2.2", NULL);
    tells(x, "{\n\t\"b.example\": [\n\t\t\"192.0.2.2\"\n\t]\n}\n");
}

static void test_when_it_asks_again(void **state)
{
    struct fixture *x = *state;
    int64_t now;

    set(x, "a.example", "b.example");
    now = x->b->asked_ms;
    answer(0, "192.0.2.1", NULL);
    assert_false(is_due(x->b, now + 2 * REFRESH_MS)); /* the resolver is busy with it */
    answer(1, NULL, NULL);
    assert_true(is_due(x->b, now + RETRY_MS));
    on_timer(x->b);
    assert_int_equal(asked, 4);
    answer(2, "192.0.2.1", NULL);
    answer(3, "192.0.2.2", NULL);
    now = x->b->asked_ms;
    assert_false(is_due(x->b, now + REFRESH_MS - 1));
    assert_true(is_due(x->b, now + REFRESH_MS));
    on_timer(x->b);
    assert_int_equal(asked, 4);
    assert_true(loop_timer_armed(&x->b->timer));
    assert_false(is_freed);
}

static void test_the_last_good_answer_stays(void **state)
{
    (void)state;
    struct entry e = {.name = (char *)"a.example"};
    struct endpoint one;

    assert_true(endpoint_parse_ip("192.0.2.1", &one));
    learn(&e, NULL, 0, "no such name", 1000);
    assert_int_equal(e.count, 0);
    learn(&e, &one, 1, "", 2000);
    assert_int_equal(e.count, 1);
    learn(&e, NULL, 0, "no such name", 2000 + KEEP_MS);
    assert_int_equal(e.count, 1);
    assert_true(endpoint_same_ip(&e.list[0], &one));
    learn(&e, NULL, 0, "no such name", 2001 + KEEP_MS);
    assert_int_equal(e.count, 0);
}

/* No address is first for ever. */
static void test_addresses_are_shuffled(void **state)
{
    (void)state;
    bool v4_first = false, v6_first = false;
    struct endpoint list[2];

    assert_true(endpoint_parse_ip("192.0.2.1", &list[0]));
    assert_true(endpoint_parse_ip("2001:db8::1", &list[1]));
    for (int i = 0; i < 200 && !(v4_first && v6_first); i++) {
        struct entry e = {.name = (char *)"a.example"};
        learn(&e, list, 2, "", 1);
        assert_true(e.list[0].any.sa_family != e.list[1].any.sa_family);
        v4_first |= e.list[0].any.sa_family == AF_INET;
        v6_first |= e.list[0].any.sa_family == AF_INET6;
    }
    assert_true(v4_first && v6_first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_name_without_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_change_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_when_it_asks_again, setup, teardown),
        cmocka_unit_test(test_the_last_good_answer_stays),
        cmocka_unit_test(test_addresses_are_shuffled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
