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
    const char *witnesses; /* "cloud:203.0.113.7 stun:… https:… earlier:…"; "stun:" is silent */
    enum cloud cloud;
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
    /* An IPv6-only server with a container's or a virtual machine's bridge, or with 464XLAT */
    {"192.168.1.2 2001:db8::10", .findings = "warn address.private", "none", "2001:db8::10",
     .known6 = true},
    {"172.17.0.1 2001:db8::10", .witnesses = "stun: https:", .findings = "warn address.private",
     "none", "2001:db8::10", .known6 = true},
    {"172.17.0.1 fd00::1", .findings = "fail address.private", "none", "none", .known6 = true},
    {"172.17.0.1 2001:db8::10", .no_ipv6 = true, .findings = "fail address.private", "none", "none",
     .known6 = true},
    {"169.254.7.7 2001:db8::10", .findings = "warn address.missing", "none", "2001:db8::10",
     .known6 = true},
    {"192.0.0.2 2001:db8::10", .findings = "warn address.missing", "none", "2001:db8::10",
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
    /* Behind NAT, with witnesses */
    {"10.0.0.5", .witnesses = "cloud:203.0.113.7 stun:203.0.113.7", .cloud = CLOUD_AWS,
     .findings = "ok address.nat", "203.0.113.7", "none", .known4 = true, .known6 = true},
    {"10.0.0.5", .witnesses = "cloud:203.0.113.7 stun: https:", .cloud = CLOUD_AWS,
     .findings = "warn address.unproven", "203.0.113.7", "none", .known4 = true, .known6 = true},
    {"10.0.0.5", .witnesses = "cloud:203.0.113.7 earlier:203.0.113.7", .cloud = CLOUD_AWS,
     .findings = "ok address.nat", "203.0.113.7", "none", .known4 = true, .known6 = true},
    {"10.0.0.5", .witnesses = "cloud: stun:203.0.113.7 https:203.0.113.7", .cloud = CLOUD_ORACLE,
     .findings = "ok address.nat", "203.0.113.7", "none", .known4 = true, .known6 = true},
    /* Without a public address of its own, behind a NAT gateway for what goes out */
    {"10.0.0.5", .witnesses = "cloud: stun:203.0.113.7 https:203.0.113.7", .cloud = CLOUD_AWS,
     .findings = "warn address.nat", "203.0.113.7", "none", .known4 = true, .known6 = true},
    {"10.0.0.5", .witnesses = "stun:203.0.113.7 earlier:203.0.113.7", .cloud = CLOUD_AZURE,
     .findings = "warn address.nat", "203.0.113.7", "none", .known4 = true, .known6 = true},
    {"10.0.0.5", .witnesses = "cloud:203.0.113.7 stun:203.0.113.7 https:198.51.100.1",
     .cloud = CLOUD_AWS, .findings = "ok address.nat", "203.0.113.7", "none", .known4 = true,
     .known6 = true},
    {"10.0.0.5", .witnesses = "cloud:203.0.113.7 stun:198.51.100.1 https:198.51.100.1",
     .cloud = CLOUD_AWS, .findings = "warn address.egress", "203.0.113.7", "none", .known4 = true,
     .known6 = true},
    {"10.0.0.5", .witnesses = "cloud:203.0.113.7 stun:198.51.100.1", .cloud = CLOUD_AWS,
     .findings = "warn address.egress", "203.0.113.7", "none", .known4 = true, .known6 = true},
    {"10.0.0.5", .witnesses = "stun:198.51.100.1 cloud:203.0.113.7", .cloud = CLOUD_AWS,
     .findings = "warn address.egress", "203.0.113.7", "none", .known4 = true, .known6 = true},
    {"192.168.1.2", .witnesses = "stun:203.0.113.7 https:203.0.113.7",
     .findings = "warn address.nat", "203.0.113.7", "none", .known4 = true, .known6 = true},
    {"192.168.1.2", .witnesses = "stun:203.0.113.7 stun:203.0.113.7 https:198.51.100.1",
     .findings = "warn address.nat", "203.0.113.7", "none", .known4 = true, .known6 = true},
    {"192.168.1.2", .witnesses = "stun:203.0.113.7 https:198.51.100.1",
     .findings = "fail address.disagree", "none", "none", .known6 = true},
    {"192.168.1.2",
     .witnesses = "stun:203.0.113.7 https:198.51.100.1 stun:203.0.113.7 https:198.51.100.1",
     .findings = "fail address.disagree", "none", "none", .known6 = true},
    {"192.168.1.2", .witnesses = "stun:203.0.113.7 https:", .findings = "fail address.private",
     "none", "none", .known6 = true},
    {"192.168.1.2", .witnesses = "earlier:203.0.113.7 stun:", .findings = "warn address.unproven",
     "203.0.113.7", "none", .known4 = true, .known6 = true},
    {"192.168.1.2", .witnesses = "stun:203.0.113.7 earlier:198.51.100.1",
     .findings = "fail address.disagree", "none", "none", .known6 = true},
    {"192.168.1.2", .witnesses = "stun:203.0.113.7 https:203.0.113.7 earlier:198.51.100.1",
     .findings = "warn address.nat", "203.0.113.7", "none", .known4 = true, .known6 = true},
    {"192.168.1.2", .witnesses = "stun: https:", .findings = "fail address.private", "none", "none",
     .known6 = true},
    /* Not asked, or not believed */
    {"203.0.113.10", .witnesses = "cloud:198.51.100.1 stun:198.51.100.1", .cloud = CLOUD_HETZNER,
     .findings = "ok address.ok", "203.0.113.10", "none", .known4 = true, .known6 = true},
    {"10.0.0.5", .ip4 = "203.0.113.9", .witnesses = "cloud:198.51.100.1 stun:198.51.100.1",
     .cloud = CLOUD_AWS, .findings = "ok address.given", "203.0.113.9", "none", .known4 = true,
     .known6 = true},
    {"100.64.0.9", .witnesses = "stun:203.0.113.7 https:203.0.113.7",
     .findings = "fail address.cgnat", "none", "none", .known6 = true},
};

static enum dnscheck_witness_kind kind_of(const char *word)
{
    return word[0] == 'c'   ? WITNESS_METADATA
           : word[0] == 's' ? WITNESS_STUN
           : word[0] == 'h' ? WITNESS_HTTPS
                            : WITNESS_EARLIER;
}

static size_t call(const char *text, struct dnscheck_witness *list)
{
    char copy[256], *rest = copy, *one;
    size_t count = 0;
    snprintf(copy, sizeof copy, "%s", text ? text : "");
    while ((one = strsep(&rest, " ")) && *one) {
        struct dnscheck_witness *w = &list[count++];
        char *address = strchr(one, ':') + 1;
        w->kind = kind_of(one);
        snprintf(w->name, sizeof w->name, "%.*s%zu", (int)(address - one - 1), one, count);
        if (*address)
            assert_true(endpoint_parse_ip(address, &w->ip4));
    }
    return count;
}

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

    struct dnscheck_witness witnesses[DNSCHECK_WITNESSES_MAX] = {0};
    o.witnesses = witnesses;
    o.witness_count = call(c->witnesses, witnesses);
    o.cloud = c->cloud;
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
    for (size_t k = 0; k < all.count; k++)
        if (all.list[k].severity == SEVERITY_FAIL && !all.list[k].fix)
            fail_msg("case %zu has no fix", i);
    findings_free(&all);
}

static void says_of(const char *interfaces, const char *witnesses, enum cloud cloud,
                    const char *message, const char *fix)
{
    struct dnscheck_witness list[DNSCHECK_WITNESSES_MAX] = {0};
    struct dnscheck_options o = {.witnesses = list, .cloud = cloud};
    struct address_pair found = {0};
    struct dnscheck_own own;
    struct findings all = {0};
    o.witness_count = call(witnesses, list);
    take(interfaces, &found);
    verdict_own(&o, &found, "", &own, &all);
    if (!strstr(all.list[0].message, message))
        fail_msg("\"%s\" lacks \"%s\"", all.list[0].message, message);
    if (fix && !strstr(all.list[0].fix, fix))
        fail_msg("\"%s\" lacks \"%s\"", all.list[0].fix, fix);
    findings_free(&all);
}

static void says(const char *witnesses, enum cloud cloud, const char *message, const char *fix)
{
    says_of("10.0.0.5", witnesses, cloud, message, fix);
}

static void words(void **state)
{
    (void)state;
    says_of("172.17.0.1 2001:db8::10", NULL, CLOUD_NONE,
            "only IPv6 2001:db8::10 (172.17.0.1 is a private address)", "--ip4=ADDRESS");
    says_of("192.0.0.2 2001:db8::10", NULL, CLOUD_NONE, "no public IPv4 address, only 2001:db8::10",
            "--ip4=ADDRESS");
    says("cloud:203.0.113.7 stun:203.0.113.7", CLOUD_AWS,
         "IPv4 203.0.113.7 (cloud1, stun2 agree), which Amazon EC2 translates to 10.0.0.5", NULL);
    says("cloud: stun:203.0.113.7 https:203.0.113.7", CLOUD_AWS,
         "203.0.113.7 (stun2, https3 agree), but the metadata of Amazon EC2 do not name it",
         "give it a public address of its own, or have 443/tcp and 3478/udp forwarded to 10.0.0.5");
    says("stun:203.0.113.7 https:203.0.113.7", CLOUD_NONE,
         "its public address is 203.0.113.7 (stun1, https2 agree), its own is 10.0.0.5",
         "forward 443/tcp and 3478/udp of 203.0.113.7 to 10.0.0.5");
    says("cloud:203.0.113.7 stun:198.51.100.1", CLOUD_AWS,
         "cloud1 says 203.0.113.7, stun2 says 198.51.100.1; taken is 203.0.113.7", "NAT gateway");
    says("cloud:203.0.113.7", CLOUD_AWS, "should be 203.0.113.7; only cloud1 says so",
         "--ip4=203.0.113.7");
    says("stun:203.0.113.7 https:198.51.100.1", CLOUD_NONE,
         "do not agree: stun1 says 203.0.113.7, https2 says 198.51.100.1", "--ip4=203.0.113.7");
    says("stun:203.0.113.7 https:", CLOUD_NONE, "only one of those who were asked for it answers",
         "--ip4=203.0.113.7");
}

static void judges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(i, &cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(judges), cmocka_unit_test(words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
