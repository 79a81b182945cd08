/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/own.c"

#include "tests/unit/unit.h"

static const struct case_ {
    const char *interfaces; /* NULL: unreadable */
    const char *ip4, *ip6;
    bool optional, no_ipv6;
    const char *findings; /* "fail address.cgnat" */
    const char *public4, *public6;
    bool known4, known6;
} cases[] = {
    {"203.0.113.10", .findings = "ok address.ok", "203.0.113.10", "none", .known4 = true,
     .known6 = true},
    {"10.0.0.5 203.0.113.10 2001:db8::10 fe80::1 fd00::1", .findings = "ok address.ok",
     "203.0.113.10", "2001:db8::10", .known4 = true, .known6 = true},
    {"203.0.113.10 100.64.0.9", .findings = "ok address.ok", "203.0.113.10", "none", .known4 = true,
     .known6 = true},
    {"203.0.113.10 2001:db8::10", .no_ipv6 = true, .findings = "ok address.ok", "203.0.113.10",
     "none", .known4 = true, .known6 = true},
    {"203.0.113.10 2001:db8::10", .ip6 = "2001:db8::20", .no_ipv6 = true,
     .findings = "ok address.ok", "203.0.113.10", "none", .known4 = true, .known6 = true},
    /* Named addresses win over the interfaces' */
    {"10.0.0.5 2001:db8::10", .ip4 = "203.0.113.10", .findings = "ok address.given", "203.0.113.10",
     "2001:db8::10", .known4 = true, .known6 = true},
    {"203.0.113.10 2001:db8::10", .ip6 = "2001:db8::20",
     .findings = "ok address.given, ok address.ok", "203.0.113.10", "2001:db8::20", .known4 = true,
     .known6 = true},
    {"203.0.113.10", .ip4 = "100.100.100.100", .findings = "warn address.cgnat", "100.100.100.100",
     "none", .known4 = true, .known6 = true},
    {"10.0.0.5", .ip4 = "10.0.0.5", .findings = "warn address.private", "10.0.0.5", "none",
     .known4 = true, .known6 = true},
    {"10.0.0.5", .ip4 = "127.0.0.1", .findings = "warn address.private", "127.0.0.1", "none",
     .known4 = true, .known6 = true},
    {"10.0.0.5", .ip4 = "0.0.0.0", .findings = "fail address.unusable", "none", "none",
     .known4 = true, .known6 = true},
    {"10.0.0.5", .ip4 = "255.255.255.255", .findings = "fail address.unusable", "none", "none",
     .known4 = true, .known6 = true},
    {"203.0.113.10", .ip4 = "2001:db8::1", .findings = "fail address.unusable", "none", "none",
     .known4 = true, .known6 = true},
    {NULL, .ip4 = "203.0.113.10", .findings = "ok address.given", "203.0.113.10", "none",
     .known4 = true},
    /* No public IPv4 address to be seen */
    {"100.100.100.100", .findings = "fail address.cgnat", "none", "none", .known6 = true},
    {"100.100.100.100", .optional = true, .findings = "warn address.cgnat", "none", "none",
     .known6 = true},
    {"10.0.0.5", .findings = "fail address.private", "none", "none", .known6 = true},
    {"192.168.1.2 2001:db8::10", .findings = "fail address.private", "none", "2001:db8::10",
     .known6 = true},
    {"10.0.0.5", .optional = true, .findings = "warn address.private", "none", "none",
     .known6 = true},
    {"10.0.0.5 100.64.0.9", .findings = "fail address.private", "none", "none", .known6 = true},
    {"169.254.7.7", .findings = "fail address.missing", "none", "none", .known6 = true},
    {"2001:db8::10", .findings = "warn address.missing", "none", "2001:db8::10", .known4 = true,
     .known6 = true},
    {"fe80::1", .findings = "fail address.missing", "none", "none", .known4 = true, .known6 = true},
    {"", .findings = "fail address.missing", "none", "none", .known4 = true, .known6 = true},
    {NULL, .findings = "warn address.unknown", "none", "none"},
};

static void take(const char *text, struct address_pair *found)
{
    char copy[256], *rest = copy, *one;
    snprintf(copy, sizeof copy, "%s", text);
    while ((one = strsep(&rest, " ")) && *one) {
        struct endpoint e;
        assert_true(endpoint_parse_ip(one, &e));
        address_set_add(e.any.sa_family == AF_INET ? &found->ip4 : &found->ip6, &e);
    }
}

static void check_case(size_t i, const struct case_ *c)
{
    struct dnscheck_options o = {.own_optional = c->optional, .no_ipv6 = c->no_ipv6};
    struct address_pair found = {0};
    struct dnscheck_own own;
    struct findings all = {0};
    char text[256] = "", set[128];

    if (c->ip4)
        assert_true(endpoint_parse_ip(c->ip4, &o.ip4));
    if (c->ip6)
        assert_true(endpoint_parse_ip(c->ip6, &o.ip6));
    take(c->interfaces ? c->interfaces : "", &found);
    verdict_own(&o, c->interfaces ? &found : NULL, "no netlink", &own, &all);
    for (size_t k = 0; k < all.count; k++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s %s", k ? ", " : "",
                 severity_name(all.list[k].severity), all.list[k].id);
    if (strcmp(text, c->findings) != 0)
        fail_msg("case %zu: %s; wanted %s", i, text, c->findings);
    assert_string_equal(address_set_print(&own.public.ip4, set, sizeof set), c->public4);
    assert_string_equal(address_set_print(&own.public.ip6, set, sizeof set), c->public6);
    if (own.known4 != c->known4 || own.known6 != c->known6)
        fail_msg("case %zu: known4 %d known6 %d", i, own.known4, own.known6);
    findings_free(&all);
}

static void judges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(i, &cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(judges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
