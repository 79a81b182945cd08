/* SPDX-License-Identifier: Apache-2.0 */
/* Who is served when in a turn: connections that have not logged in come last, and briefly. */
#include "derp/net/conn.c"

#include <sys/socket.h>

#include "tests/unit/unit.h"

#define CONNS 4

struct room;

/* One end of a socket pair is served, at the other the test writes. */
struct guest {
    struct room *room;
    struct conn *conn;
    int peer;
    bool takes_long, settles;
};

struct room {
    struct loop *loop;
    struct conn_scratch *scratch;
    struct guest guests[CONNS];
    struct loop_timer guard;
    char told[64]; /* what happened in order: a letter of each guest that was read, and ends of
                      turns */
    size_t told_len;
    size_t reads;
    unsigned turns[CONNS]; /* of the reads */
};

static void tell(struct room *r, char what)
{
    assert_true(r->told_len + 1 < sizeof r->told);
    if (what == '.' && r->told_len > 0 && r->told[r->told_len - 1] == '.')
        return;
    r->told[r->told_len++] = what;
}

static size_t on_data(void *owner, const uint8_t *data, size_t n, size_t *want)
{
    struct guest *g = owner;
    struct room *r = g->room;
    int64_t until = clock_mono_ns() + 2 * (int64_t)NEWCOMERS_TURN_NS;

    (void)want;
    r->turns[r->reads++] = loop_turn(r->loop);
    for (size_t i = 0; i < n; i++)
        tell(r, (char)data[i]);
    while (g->takes_long && clock_mono_ns() < until)
        ;
    if (g->settles)
        conn_settled(g->conn);
    if (r->reads == CONNS)
        loop_stop(r->loop);
    return n;
}

static size_t on_fill(void *owner, uint8_t *out, size_t room)
{
    (void)owner;
    (void)out;
    (void)room;
    return 0;
}

static void on_end(void *owner, enum conn_end end, const char *reason)
{
    (void)owner;
    (void)end;
    (void)reason;
}

static void on_turn_end(void *arg)
{
    tell(arg, '.');
}

static void on_guard(void *arg)
{
    (void)arg;
    fail_msg("not all was read within ten seconds");
}

static void open_room(struct room *r)
{
    static const struct conn_events events = {
        .on_data = on_data, .on_fill = on_fill, .on_end = on_end};

    memset(r, 0, sizeof *r);
    r->loop = loop_new();
    r->scratch = conn_scratch_new();
    loop_on_turn_end(r->loop, on_turn_end, r);
    loop_timer_init(&r->guard, r->loop, on_guard, r);
    loop_timer_set(&r->guard, 10000);
    for (int i = 0; i < CONNS; i++) {
        struct conn_options opt = {
            .loop = r->loop, .scratch = r->scratch, .keep_max = 100, .is_newcomer = i % 2 == 0};
        int ends[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
        r->guests[i] = (struct guest){.room = r, .peer = ends[1]};
        r->guests[i].conn = conn_accept(&opt, ends[0], &events, &r->guests[i]);
    }
}

static void close_room(struct room *r)
{
    for (int i = 0; i < CONNS; i++) {
        conn_close(r->guests[i].conn, CONN_END_LOCAL, "");
        close(r->guests[i].peer);
    }
    loop_timer_stop(&r->guard);
    conn_scratch_free(r->scratch);
    loop_free(r->loop);
}

/* Each guest is sent its letter; runs until all have been read. */
static void everybody_speaks(struct room *r)
{
    memset(r->told, 0, sizeof r->told);
    r->told_len = 0;
    r->reads = 0;
    for (int i = 0; i < CONNS; i++)
        assert_int_equal(write(r->guests[i].peer, &"aBcD"[i], 1), 1);
    loop_run(r->loop);
}

static bool are(const char *p, const char *one, const char *other)
{
    return memcmp(p, one, 2) == 0 || memcmp(p, other, 2) == 0;
}

static void test_newcomers_come_last_and_one_by_one(void **state)
{
    (void)state;
    struct room r;

    open_room(&r);
    r.guests[0].takes_long = r.guests[2].takes_long = true;
    everybody_speaks(&r);
    assert_int_equal(r.told[0], '.');
    assert_true(are(r.told + 1, "BD", "DB"));
    assert_int_equal(r.told[3], '.'); /* what they said has been sent on */
    assert_true(r.told[4] == 'a' || r.told[4] == 'c');
    assert_int_equal(r.told[5], '.');
    assert_int_equal(r.told[4] + r.told[6], 'a' + 'c');
    assert_int_equal(r.told_len, 7);
    assert_int_equal(r.turns[0], r.turns[1]);
    assert_int_equal(r.turns[0], r.turns[2]);
    assert_int_not_equal(r.turns[2], r.turns[3]);
    close_room(&r);
}

static void test_short_newcomers_share_a_turn(void **state)
{
    (void)state;
    struct room r;

    open_room(&r);
    r.guests[1].takes_long = r.guests[3].takes_long = true; /* which only newcomers may not */
    r.scratch->newcomers_ns = -1000000000;                  /* the machine may stop in between */
    r.scratch->newcomers_turn = loop_turn(r.loop) + 1;
    everybody_speaks(&r);
    for (int i = 1; i < CONNS; i++)
        assert_int_equal(r.turns[i], r.turns[0]);
    close_room(&r);
}

static void test_who_has_settled_is_one_of_the_others(void **state)
{
    (void)state;
    struct room r;

    open_room(&r);
    r.guests[0].settles = r.guests[2].settles = true;
    everybody_speaks(&r);
    for (int i = 0; i < CONNS; i++)
        r.guests[i].takes_long = true;
    everybody_speaks(&r);
    assert_int_equal(r.told_len, CONNS + 1);
    for (int i = 1; i < CONNS; i++)
        assert_int_equal(r.turns[i], r.turns[0]);
    close_room(&r);
}

/* The one that has settled is read before what is said is sent on, and the newcomer after it. */
static void test_who_has_settled_comes_before_newcomers(void **state)
{
    (void)state;
    struct room r;

    open_room(&r);
    r.guests[0].settles = true;
    everybody_speaks(&r);
    r.guests[0].settles = false;
    everybody_speaks(&r);
    assert_int_equal(r.told_len, CONNS + 2);
    assert_int_equal(r.told[0], '.');
    assert_non_null(memchr(r.told + 1, 'a', CONNS - 1));
    assert_memory_equal(r.told + CONNS, ".c", 2);
    close_room(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newcomers_come_last_and_one_by_one),
        cmocka_unit_test(test_short_newcomers_share_a_turn),
        cmocka_unit_test(test_who_has_settled_is_one_of_the_others),
        cmocka_unit_test(test_who_has_settled_comes_before_newcomers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
