/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/authority.c"

#include "tests/unit/unit.h"

static struct endpoint ip(const char *text)
{
    struct endpoint e;
    assert_true(endpoint_parse_ip(text, &e));
    return e;
}

/* NS records of count names, the one with this number first. */
static void name_servers(struct resolve_question *q, size_t count, size_t first)
{
    *q = (struct resolve_question){.name = "demo.com", .answer = {.status = ANSWER_DATA}};
    q->answer.records = mem_alloc(count, sizeof *q->answer.records);
    for (size_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "ns%zu.demo.com", (first + i) % count);
        q->answer.records[i].len = (uint16_t)(strlen(name) + 1);
        q->answer.records[i].data = mem_copy(name, strlen(name) + 1);
        q->answer.count++;
    }
}

static struct referral refer(size_t count, size_t names)
{
    struct referral r = {.zone = "demo.com", .count = count, .cut = names > count};
    for (size_t i = 0; i < count; i++)
        snprintf(r.names[i], sizeof r.names[i], "ns%zu.demo.com", i);
    return r;
}

/* All names are looked at, in whatever order they come, also when not all are kept. */
static void many_names(void **state)
{
    (void)state;
    for (size_t count = 1; count < 20; count++) {
        struct resolve_question q;
        struct authority out = {.name_count = 0};
        size_t kept = count < AUTHORITY_NAMES_MAX ? count : AUTHORITY_NAMES_MAX;
        struct referral r = refer(kept, count);
        name_servers(&q, count, count / 2);
        take_referral(&r, &out);
        take_own(&q, &out);
        assert_int_equal(out.name_count, kept);
        for (size_t i = 0; i < kept; i++)
            assert_true(out.names[i].own && out.names[i].above);
        assert_int_equal(out.cut, count > AUTHORITY_NAMES_MAX);
        answer_clear(&q.answer);
    }
    struct referral cut = refer(AUTHORITY_NAMES_MAX, AUTHORITY_NAMES_MAX + 1);
    struct authority out = {.name_count = 0};
    take_referral(&cut, &out);
    assert_true(out.cut);
}

static bool has_no_route(const struct endpoint *e)
{
    (void)e;
    return false;
}

static bool has_route_to_six(const struct endpoint *e)
{
    return e->any.sa_family == AF_INET6;
}

static bool has_route(const struct endpoint *e)
{
    (void)e;
    return true;
}

static size_t count_servers(bool ip6, bool (*route)(const struct endpoint *))
{
    struct authority out = {.name_count = 2};
    struct search s = {.ip6 = ip6, .has_route = route, .out = &out};
    const struct endpoint four = ip("203.0.113.53"), six = ip("2001:db8::53");
    address_set_add(&out.names[0].addresses, &four);
    address_set_add(&out.names[1].addresses, &four);
    address_set_add(&out.names[1].addresses, &six);
    list_servers(&s);
    return out.server_count;
}

static void only_addresses_with_a_route_are_asked(void **state)
{
    (void)state;
    assert_int_equal(count_servers(true, has_route), 3);
    assert_int_equal(count_servers(false, has_route), 2);
    assert_int_equal(count_servers(true, has_route_to_six), 1);
    assert_int_equal(count_servers(false, has_route_to_six), 0);
    assert_int_equal(count_servers(true, has_no_route), 0);
}

/* Of a server of the zone above the first address that can be asked is taken. */
static void first_usable_address(void **state)
{
    (void)state;
    struct search s = {.ip6 = true, .has_route = has_route_to_six};
    struct address_set set = {.count = 0};
    const struct endpoint four = ip("203.0.113.53"), six = ip("2001:db8::53");
    assert_null(first_usable(&s, &set));
    address_set_add(&set, &four);
    assert_null(first_usable(&s, &set));
    address_set_add(&set, &six);
    assert_true(endpoint_same_ip(first_usable(&s, &set), &six));
    s.has_route = has_route;
    assert_true(endpoint_same_ip(first_usable(&s, &set), &four));
}

static void referrals_to_a_zone_below(void **state)
{
    (void)state;
    static const struct {
        const char *zone;
        bool below;
    } cases[] = {
        {"derp.demo.com", true},
        {"x.derp.demo.com", true},
        {"demo.com", false},
        {"com", false},
        {"", false},
        {"y.demo.com", false},
        {"p.demo.com", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct query q = {.referred = true};
        snprintf(q.referral.zone, sizeof q.referral.zone, "%s", cases[i].zone);
        assert_int_equal(refers_below(&q, "x.derp.demo.com", "demo.com"), cases[i].below);
        q.referred = false;
        assert_false(refers_below(&q, "x.derp.demo.com", "demo.com"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_names),
        cmocka_unit_test(only_addresses_with_a_route_are_asked),
        cmocka_unit_test(first_usable_address),
        cmocka_unit_test(referrals_to_a_zone_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
