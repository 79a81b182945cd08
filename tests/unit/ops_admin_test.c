/* SPDX-License-Identifier: Apache-2.0 */
/* The list of connections while workers take their time: they are played here. */
#include <stddef.h>

struct relay;
struct relay_roll;
static struct relay_roll *fake_call_roll(struct relay *r, void (*on_done)(void *arg), void *arg);
static _Bool fake_roll_is_done(struct relay_roll *roll);
static const struct relay_client *fake_roll_get(const struct relay_roll *roll, size_t i);
static void fake_roll_free(struct relay_roll *roll);
#define relay_call_roll    fake_call_roll
#define relay_roll_is_done fake_roll_is_done
#define relay_roll_get     fake_roll_get
#define relay_roll_free    fake_roll_free
#include "derp/ops/admin.c"

#include <sys/socket.h>

#include "base/text.h"
#include "tests/unit/unit.h"

#define ROWS  5000
#define ASKED (LISTS_MAX + 1)

struct asker {
    int fd;
    struct loop_io io;
    struct buf answer;
};

static struct loop *loop;
static struct admin *admin;
static struct endpoint at;
static struct asker askers[ASKED];
static unsigned asking, lists;
static bool filled;
static void (*tell_done)(void *arg);
static void *done_arg;

static struct relay_roll *fake_call_roll(struct relay *r, void (*on_done)(void *arg), void *arg)
{
    (void)r;
    tell_done = on_done;
    done_arg = arg;
    lists++;
    return (struct relay_roll *)&filled;
}

static bool fake_roll_is_done(struct relay_roll *roll)
{
    return *(bool *)roll;
}

static const struct relay_client *fake_roll_get(const struct relay_roll *roll, size_t i)
{
    static const struct relay_client one = {.key = "[abcde]", .app = "\"quoted\""};

    assert_true(*(const bool *)roll);
    return i < ROWS ? &one : NULL;
}

static void fake_roll_free(struct relay_roll *roll)
{
    if (roll != NULL)
        lists--;
}

static void nothing(void *arg, struct report *r)
{
    (void)arg;
    (void)r;
}

static void on_answer(void *arg, int events)
{
    struct asker *a = arg;
    char text[65536];
    ssize_t n = recv(a->fd, text, sizeof text, MSG_DONTWAIT);

    (void)events;
    if (n > 0) {
        buf_append(&a->answer, text, (size_t)n);
        return;
    }
    loop_io_want(&a->io, 0);
    close(a->fd);
    if (--asking == 0)
        loop_stop(loop);
}

static void ask(struct asker *a, const char *request)
{
    a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(a->fd, &at.any, endpoint_len(&at)), 0);
    assert_int_equal(send(a->fd, request, strlen(request), 0), strlen(request));
    buf_init(&a->answer, 8 * 1024 * 1024);
    loop_io_init(&a->io, loop, a->fd, on_answer, a);
    loop_io_want(&a->io, LOOP_READ);
    asking++;
}

static int set_up(void **state)
{
    struct fault f;

    (void)state;
    assert_true(endpoint_parse("127.0.0.1:0", 0, &at));
    loop = loop_new();
    admin = admin_new(&at, loop, NULL, nothing, NULL, &f);
    assert_non_null(admin);
    filled = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    admin_free(admin);
    loop_free(loop);
    for (size_t i = 0; i < ASKED; i++)
        buf_free(&askers[i].answer);
    assert_int_equal(lists, 0);
    return 0;
}

static void test_a_worker_that_does_not_answer(void **state)
{
    (void)state;
    ask(&askers[0], "GET /connections HTTP/1.1\r\n\r\n");
    loop_run(loop);
    assert_true(text_starts(buf_text(&askers[0].answer), "HTTP/1.1 503 "));
    assert_non_null(strstr(buf_text(&askers[0].answer), "a worker of the relay does not answer"));
}

/* Once all have asked, and one was turned away. */
static void finish_filling(void *arg)
{
    if (asking > LISTS_MAX) {
        loop_timer_set(arg, 10);
        return;
    }
    assert_int_equal(lists, LISTS_MAX);
    filled = true;
    tell_done(done_arg);
}

static void test_lists_at_a_time(void **state)
{
    (void)state;
    struct loop_timer timer;
    unsigned busy = 0;

    for (size_t i = 0; i < ASKED; i++)
        ask(&askers[i], "GET /connections HTTP/1.1\r\n\r\nmore that nobody reads");
    loop_timer_init(&timer, loop, finish_filling, &timer);
    loop_timer_set(&timer, 10);
    loop_run(loop);
    for (size_t i = 0; i < ASKED; i++) {
        const char *text = buf_text(&askers[i].answer);

        if (text_starts(text, "HTTP/1.1 503 ")) {
            busy++;
            continue;
        }
        assert_true(text_starts(text, "HTTP/1.1 200 "));
        assert_non_null(strstr(text, "{\"schema\":1,\"connections\":[\n{\"key\":\"[abcde]\""));
        assert_non_null(strstr(text, "\"app\":\"\\\"quoted\\\"\""));
        assert_true(text_ends(text, "}\n]}\n"));
    }
    assert_int_equal(busy, 1);
}

static void test_the_asker_leaves(void **state)
{
    (void)state;
    ask(&askers[0], "GET /connections HTTP/1.1\r\n\r\n");
    ask(&askers[1], "HEAD /connections HTTP/1.1\r\n\r\n");
    shutdown(askers[0].fd, SHUT_RDWR);
    loop_run(loop);
    assert_true(text_starts(buf_text(&askers[1].answer), "HTTP/1.1 200 "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_worker_that_does_not_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lists_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_asker_leaves, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
