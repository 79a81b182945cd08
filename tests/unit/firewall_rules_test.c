/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/rules.c"

#include "firewall/ufw.h"
#include "firewall/walk.h"
#include "tests/unit/firewall_fixture.h"

static void load(const char *name, struct rules *all)
{
    struct fault f;
    char *path = mem_printf(SEEDS "firewall_rules/%s", name);
    char *text = recorded(path);
    *all = (struct rules){0};
    if (!rules_parse(text, all, &f))
        fail_msg("%s: %s", name, f.text);
    free(text);
    free(path);
}

static void parse(const char *text, struct rules *all)
{
    struct fault f;
    *all = (struct rules){0};
    if (!rules_parse(text, all, &f))
        fail_msg("%s", f.text);
}

static struct walk_packet packet(const char *port)
{
    struct firewall_port at;
    assert_true(firewall_port_parse(port, &at, NULL));
    return (struct walk_packet){.proto = at.proto, .port = at.port, .in = "eth0"};
}

static enum walk_verdict verdict(const struct rules *all, const char *port)
{
    struct walk_packet p = packet(port);
    return walk(all, "INPUT", &p).verdict;
}

/* The verdict for a few rules in INPUT under policy DROP. */
static enum walk_verdict verdict_of(const char *rules, const char *port)
{
    struct rules all;
    char *text = mem_printf("-P INPUT DROP\n%s\n", rules);
    parse(text, &all);
    enum walk_verdict v = verdict(&all, port);
    rules_free(&all);
    free(text);
    return v;
}

/* --- Reading -------------------------------------------------------------------------------------
 */

static void test_reads_real_lists(void **state)
{
    (void)state;
    struct rules all;
    load("odd-iptables", &all);
    assert_int_equal(rules_chain(&all, "INPUT")->policy, RULES_DROP);
    assert_int_equal(rules_chain(&all, "OUTPUT")->policy, RULES_ACCEPT);
    const struct rules_chain *user = rules_chain(&all, "ufw-user-input");
    assert_non_null(user);
    assert_int_equal(user->count, 29);
    /* -s 10.0.0.0/8 -p tcp -m tcp --dport 5432 -j ACCEPT */
    const struct rules_rule *rule = &user->rules[4];
    assert_int_equal(rule->proto, RULES_PROTO_TCP);
    assert_int_equal(rule->ports.low[0], 5432);
    assert_int_equal(rule->source.prefix, 8);
    assert_int_equal(rule->action, RULES_ACCEPT);
    assert_int_equal(rule->doubt, 0);
    assert_string_equal(user->rules[5].in, "eth0");
    assert_int_equal(user->rules[6].ports.high[0], 8010);
    assert_int_equal(user->rules[7].ports.count, 3);
    rules_free(&all);
}

static void test_nothing_of_ufw_is_unknown(void **state)
{
    (void)state;
    static const char *const names[] = {"fresh-iptables", "fresh-ip6tables", "odd-iptables",
                                        "odd-ip6tables",  "limit-iptables",  "odd-user.rules",
                                        "before.rules",   "after6.rules"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        struct rules all;
        load(names[n], &all);
        for (size_t i = 0; i < all.count; i++)
            for (size_t j = 0; j < all.chains[i].count; j++)
                if (all.chains[i].rules[j].doubt == RULES_UNKNOWN)
                    fail_msg("%s: %s", names[n], all.chains[i].rules[j].text);
        rules_free(&all);
    }
}

static void test_tuples_name_the_rules(void **state)
{
    (void)state;
    struct rules all;
    load("odd-user.rules", &all);
    const struct rules_chain *user = rules_chain(&all, "ufw-user-input");
    assert_string_equal(user->rules[0].tuple, "deny udp 3478 0.0.0.0/0 any 0.0.0.0/0 in");
    /* One tuple, two rules: tcp and udp. */
    assert_string_equal(user->rules[2].tuple, "deny any 23 0.0.0.0/0 any 0.0.0.0/0 in");
    assert_string_equal(user->rules[3].tuple, user->rules[2].tuple);
    assert_null(rules_chain(&all, "ufw-user-limit")->rules[0].tuple);
    rules_free(&all);
}

static void test_inserts_in_place(void **state)
{
    (void)state;
    struct rules all;
    parse("-A c -j ACCEPT\n-I c -p tcp -j DROP\n-I c 2 -p udp -j DROP\n-I c 99 -j RETURN", &all);
    const struct rules_chain *c = rules_chain(&all, "c");
    assert_int_equal(c->count, 4);
    assert_int_equal(c->rules[0].proto, RULES_PROTO_TCP);
    assert_int_equal(c->rules[1].proto, RULES_PROTO_UDP);
    assert_int_equal(c->rules[2].action, RULES_ACCEPT);
    assert_int_equal(c->rules[3].action, RULES_RETURN);
    rules_free(&all);
    parse("*nat\n-A c -j DROP\nCOMMIT\n*filter\n:c - [0:0]\n-A c -j ACCEPT\n:c - [0:0]\nCOMMIT\n",
          &all);
    assert_int_equal(rules_chain(&all, "c")->count, 0);
    rules_free(&all);
}

static void test_refuses_what_is_no_rule(void **state)
{
    (void)state;
    static const char *const bad[] = {"-A", "-D INPUT -j DROP", "iptables: no such table",
                                      "-A INPUT -m comment --comment \"open", ":INPUT"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rules all = {0};
        struct fault f = {""};
        assert_false(rules_parse(bad[i], &all, &f));
        assert_true(strlen(f.text) > 0);
        rules_free(&all);
    }
}

static void test_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *block, *address;
        bool holds;
    } cases[] = {{"10.0.0.0/8", "10.255.0.1", true},
                 {"10.0.0.0/8", "11.0.0.1", false},
                 {"192.0.2.128/25", "192.0.2.127", false},
                 {"192.0.2.128/25", "192.0.2.200", true},
                 {"192.0.2.1", "192.0.2.1", true},
                 {"0.0.0.0/0", "198.51.100.1", true},
                 {"2001:db8::/33", "2001:db8:7fff::1", true},
                 {"2001:db8::/33", "2001:db8:8000::1", false},
                 {"2001:db8::/32", "192.0.2.1", false},
                 {"::/0", "2001:db8::1", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rules_block block = {0};
        struct endpoint e;
        char *text = mem_strdup(cases[i].block);
        assert_true(parse_block(text, &block));
        assert_true(endpoint_parse_ip(cases[i].address, &e));
        assert_int_equal(rules_block_holds(&block, &e), cases[i].holds);
        free(text);
    }
}

/* --- Following
 * ------------------------------------------------------------------------------------- */

static void test_fresh_ufw(void **state)
{
    (void)state;
    static const char *const names[] = {"fresh-iptables", "fresh-ip6tables"};
    for (size_t i = 0; i < 2; i++) {
        struct rules all;
        load(names[i], &all);
        assert_int_equal(verdict(&all, "22/tcp"), WALK_OPEN);
        assert_int_equal(verdict(&all, "443/tcp"), WALK_OPEN);
        assert_int_equal(verdict(&all, "3478/udp"), WALK_OPEN);
        assert_int_equal(verdict(&all, "3478/tcp"), WALK_CLOSED);
        assert_int_equal(verdict(&all, "80/tcp"), WALK_CLOSED);
        assert_int_equal(verdict(&all, "53/udp"), WALK_CLOSED);
        rules_free(&all);
    }
}

static void test_odd_ufw(void **state)
{
    (void)state;
    struct rules all;
    load("odd-iptables", &all);
    assert_int_equal(verdict(&all, "3478/udp"), WALK_CLOSED); /* the deny comes first */
    assert_int_equal(verdict(&all, "22/tcp"), WALK_OPEN);     /* by a profile */
    assert_int_equal(verdict(&all, "443/tcp"), WALK_OPEN);
    assert_int_equal(verdict(&all, "23/tcp"), WALK_CLOSED);
    assert_int_equal(verdict(&all, "80/tcp"), WALK_OPEN);
    assert_int_equal(verdict(&all, "444/tcp"), WALK_OPEN); /* logged on the way */
    assert_int_equal(verdict(&all, "8005/tcp"), WALK_OPEN);
    assert_int_equal(verdict(&all, "8011/tcp"), WALK_CLOSED);
    assert_int_equal(verdict(&all, "2/udp"), WALK_OPEN);
    assert_int_equal(verdict(&all, "113/tcp"), WALK_CLOSED);
    assert_int_equal(verdict(&all, "5432/tcp"), WALK_CLOSED); /* for 10.0.0.0/8 only */
    struct walk_packet p = packet("5432/tcp");
    assert_true(endpoint_parse_ip("10.1.2.3", &p.source));
    assert_int_equal(walk(&all, "INPUT", &p).verdict, WALK_OPEN);
    assert_true(endpoint_parse_ip("192.0.2.1", &p.source)); /* allowed by its address */
    assert_int_equal(walk(&all, "INPUT", &p).verdict, WALK_OPEN);
    rules_free(&all);
}

static void test_limits_and_neighbours(void **state)
{
    (void)state;
    struct rules all;
    load("limit-iptables", &all);
    struct walk_packet p = packet("22/tcp");
    struct walk_result r = walk(&all, "INPUT", &p);
    assert_int_equal(r.verdict, WALK_LIMITED);
    assert_non_null(strstr(r.drops->text, "REJECT"));
    rules_free(&all);

    load("neighbours-iptables", &all);
    assert_int_equal(verdict(&all, "22/tcp"), WALK_OPEN); /* fail2ban and tailscaled aside */
    assert_int_equal(verdict(&all, "443/tcp"), WALK_LIMITED);
    p.source = (struct endpoint){0};
    assert_true(endpoint_parse_ip("100.64.1.1", &p.source));
    assert_int_equal(walk(&all, "INPUT", &p).verdict, WALK_CLOSED);
    rules_free(&all);
}

static void test_foreign_reject_first(void **state)
{
    (void)state;
    struct rules all;
    load("reject-first-iptables", &all);
    struct walk_packet p = packet("443/tcp");
    struct walk_result r = walk(&all, "INPUT", &p);
    assert_int_equal(r.verdict, WALK_CLOSED);
    assert_string_equal(r.drops->text, "-A INPUT -j REJECT --reject-with icmp-host-prohibited");
    assert_int_equal(verdict(&all, "22/tcp"), WALK_OPEN);
    rules_free(&all);
    load("ipv6-off-ip6tables", &all);
    assert_int_equal(verdict(&all, "443/tcp"), WALK_CLOSED);
    rules_free(&all);
    load("empty-iptables", &all);
    assert_int_equal(verdict(&all, "443/tcp"), WALK_OPEN);
    rules_free(&all);
}

static void test_single_rules(void **state)
{
    (void)state;
    static const struct {
        const char *rules;
        enum walk_verdict v;
    } cases[] = {
        {"-A INPUT -p tcp --dport 443 -j ACCEPT", WALK_OPEN},
        {"-A INPUT --protocol tcp --destination-port 443 --jump ACCEPT", WALK_OPEN},
        {"-A INPUT ! -p udp -j ACCEPT", WALK_OPEN},
        {"-A INPUT -p tcp ! --dport 22 -j ACCEPT", WALK_OPEN},
        {"-A INPUT -p tcp ! --dport 443 -j ACCEPT", WALK_CLOSED},
        {"-A INPUT -p tcp --dport 400: -j ACCEPT", WALK_OPEN},
        {"-A INPUT -p tcp --dport :442 -j ACCEPT", WALK_CLOSED},
        {"-A INPUT -p udp --dport 443 -j ACCEPT", WALK_CLOSED},
        {"-A INPUT -i lo -j ACCEPT", WALK_CLOSED},
        {"-A INPUT -i eth+ -j ACCEPT", WALK_OPEN},
        {"-A INPUT -i eth1 -j ACCEPT", WALK_CLOSED},
        {"-A INPUT ! -i eth1 -j ACCEPT", WALK_OPEN},
        {"-A INPUT -s 192.0.2.0/24 -j ACCEPT", WALK_CLOSED},
        {"-A INPUT ! -s 192.0.2.0/24 -j ACCEPT", WALK_OPEN},
        {"-A INPUT -s 0.0.0.0/1 -j ACCEPT", WALK_RESTRICTED},
        {"-A INPUT -d 224.0.0.251/32 -j ACCEPT", WALK_CLOSED},
        {"-A INPUT -d 203.0.113.7/32 -j ACCEPT", WALK_RESTRICTED},
        {"-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", WALK_CLOSED},
        {"-A INPUT -m state --state NEW -j ACCEPT", WALK_OPEN},
        {"-A INPUT -m conntrack ! --ctstate NEW -j DROP\n-A INPUT -j ACCEPT", WALK_OPEN},
        {"-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT", WALK_OPEN},
        {"-A INPUT -p tcp ! --syn -j DROP\n-A INPUT -j ACCEPT", WALK_OPEN},
        {"-A INPUT -p tcp -m tcp --tcp-flags SYN,RST RST -j DROP\n-A INPUT -j ACCEPT", WALK_OPEN},
        {"-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT", WALK_CLOSED},
        {"-A INPUT -m addrtype --dst-type LOCAL -j ACCEPT", WALK_OPEN},
        {"-A INPUT -m addrtype --dst-type BROADCAST -j DROP\n-A INPUT -j ACCEPT", WALK_OPEN},
        {"-A INPUT -m limit --limit 3/min -j ACCEPT", WALK_RESTRICTED},
        {"-A INPUT -m hashlimit --hashlimit-above 5/sec --hashlimit-name x -j DROP\n"
         "-A INPUT -j ACCEPT",
         WALK_LIMITED},
        {"-A INPUT -m set --match-set bad src -j DROP\n-A INPUT -j ACCEPT", WALK_PARTLY},
        {"-A INPUT -m geoip --src-cc XX -j ACCEPT", WALK_RESTRICTED},
        {"-A INPUT -j NFQUEUE --queue-num 0\n-A INPUT -j ACCEPT", WALK_PARTLY},
        {"-A INPUT -j LOG --log-prefix \"a -j DROP\"\n-A INPUT -j ACCEPT", WALK_OPEN},
        {"-A INPUT -f -j DROP\n-A INPUT -j ACCEPT", WALK_OPEN},
        {"-A INPUT -p tcp --sport 22 -j DROP\n-A INPUT -j ACCEPT", WALK_OPEN},
        {"-A INPUT -p tcp --sport 1024:65535 --dport 443 -j ACCEPT", WALK_OPEN},
        {"-A INPUT -p tcp --sport 20000:30000 -j DROP\n-A INPUT -j ACCEPT", WALK_PARTLY},
        {"-A INPUT -j a\n-A a -j b\n-A b -p tcp -j ACCEPT", WALK_OPEN},
        {"-A INPUT -j a\n-A a -j RETURN\n-A a -j ACCEPT", WALK_CLOSED},
        {"-A INPUT -g a\n-A INPUT -j ACCEPT\n-A a -p udp -j ACCEPT", WALK_CLOSED},
        {"-A INPUT -g a\n-A a -p tcp -j ACCEPT", WALK_OPEN},
        {"-A INPUT -j a\n-A a -j a\n-A INPUT -j ACCEPT", WALK_PARTLY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum walk_verdict v = verdict_of(cases[i].rules, "443/tcp");
        if (v != cases[i].v)
            fail_msg("%s: %s, not %s", cases[i].rules, walk_verdict_name(v),
                     walk_verdict_name(cases[i].v));
    }
}

static void test_unknown_interface(void **state)
{
    (void)state;
    struct rules all;
    struct walk_packet p = packet("443/tcp");
    p.in = NULL;
    parse("-P INPUT DROP\n-A INPUT -i eth0 -p tcp -j ACCEPT", &all);
    assert_int_equal(walk(&all, "INPUT", &p).verdict, WALK_RESTRICTED);
    rules_free(&all);
}

static void test_chain_without_policy(void **state)
{
    (void)state;
    struct rules all;
    struct walk_packet p = packet("443/tcp");
    parse("-N c\n-A c -p udp -j DROP\n-A d -p tcp --dport 443 -j DROP", &all);
    struct walk_result r = walk(&all, "c", &p);
    assert_int_equal(r.verdict, WALK_THROUGH);
    assert_true(r.falls);
    assert_int_equal(walk(&all, "missing", &p).verdict, WALK_THROUGH);
    r = walk(&all, "d", &p);
    assert_int_equal(r.verdict, WALK_CLOSED);
    assert_false(r.falls);
    rules_free(&all);
}

static void test_many_jumps_end(void **state)
{
    (void)state;
    struct rules all;
    struct buf b;
    buf_init(&b, 1U << 20);
    buf_puts(&b, "-P INPUT ACCEPT\n-A INPUT -j c0\n");
    for (int i = 0; i < 30; i++)
        for (int j = 0; j < 8; j++)
            buf_printf(&b, "-A c%d -m set -j c%d\n", i, i + 1);
    buf_puts(&b, "-A c30 -p udp -j DROP\n");
    parse(buf_text(&b), &all);
    assert_int_equal(verdict(&all, "443/tcp"), WALK_PARTLY); /* 8^30 ways: it gives up */
    rules_free(&all);
    buf_free(&b);
}

/* --- ufw's files
 * ----------------------------------------------------------------------------------- */

static void test_assembled_as_the_kernel_has_it(void **state)
{
    (void)state;
    static const char *const ports[] = {"22/tcp",   "23/udp",   "80/tcp",   "444/tcp", "443/tcp",
                                        "3478/udp", "8005/tcp", "8080/tcp", "53/udp",  "113/tcp"};
    struct rules kernel, files = {0};
    struct fault f;
    char *before = recorded(SEEDS "firewall_rules/before.rules");
    char *after = recorded(SEEDS "firewall_rules/after.rules");
    char *user = recorded(SEEDS "firewall_rules/odd-user.rules");
    load("odd-iptables", &kernel);
    assert_true(ufw_assemble(FAMILY_IP4, before, user, after, UFW_POLICY_DENY, &files, &f));
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
        assert_int_equal(verdict(&files, ports[i]), verdict(&kernel, ports[i]));
    rules_free(&files);
    assert_true(ufw_assemble(FAMILY_IP4, before, user, after, UFW_POLICY_ALLOW, &files, &f));
    assert_int_equal(verdict(&files, "8081/tcp"), WALK_OPEN);
    rules_free(&files);
    assert_true(ufw_assemble(FAMILY_IP4, before, user, after, UFW_POLICY_REJECT, &files, &f));
    assert_int_equal(verdict(&files, "8081/tcp"), WALK_CLOSED);
    rules_free(&files);
    rules_free(&kernel);
    free(before);
    free(after);
    free(user);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_real_lists),
        cmocka_unit_test(test_nothing_of_ufw_is_unknown),
        cmocka_unit_test(test_tuples_name_the_rules),
        cmocka_unit_test(test_inserts_in_place),
        cmocka_unit_test(test_refuses_what_is_no_rule),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_fresh_ufw),
        cmocka_unit_test(test_odd_ufw),
        cmocka_unit_test(test_limits_and_neighbours),
        cmocka_unit_test(test_foreign_reject_first),
        cmocka_unit_test(test_single_rules),
        cmocka_unit_test(test_unknown_interface),
        cmocka_unit_test(test_chain_without_policy),
        cmocka_unit_test(test_many_jumps_end),
        cmocka_unit_test(test_assembled_as_the_kernel_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
