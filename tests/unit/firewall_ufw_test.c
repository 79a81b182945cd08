/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/ufwtext.c"
#include "firewall/words.c"

#include "tests/unit/firewall_fixture.h"

static void added(const char *name, struct ufw_rules *rules)
{
    struct fault f;
    char *path = mem_printf(SEEDS "firewall_ufw/%s-added", name);
    char *text = recorded(path);
    assert_true(ufw_parse_added(text, rules, &f));
    free(text);
    free(path);
}

static void status(const char *name, struct ufw_status *s)
{
    struct fault f;
    char *path = mem_printf(SEEDS "firewall_ufw/%s-status", name);
    char *text = recorded(path);
    assert_true(ufw_parse_status(text, s, &f));
    free(text);
    free(path);
}

static void test_status(void **state)
{
    (void)state;
    struct ufw_status s;
    status("inactive", &s);
    assert_false(s.active);
    assert_int_equal(s.incoming, UFW_POLICY_UNKNOWN);
    status("odd", &s);
    assert_true(s.active);
    assert_int_equal(s.incoming, UFW_POLICY_DENY);
    assert_int_equal(s.outgoing, UFW_POLICY_ALLOW);
    status("reject", &s);
    assert_int_equal(s.incoming, UFW_POLICY_REJECT);
}

static void test_status_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "Statut : actif\n",
        "Status: active\n",
        "Status: active (maybe)\n",
        "ERROR: You need to be root to run this script\n",
        "Status: active\nDefault: deny (incoming), disabled (routed)\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ufw_status s;
        struct fault f = {""};
        assert_false(ufw_parse_status(bad[i], &s, &f));
        assert_true(strlen(f.text) > 0);
    }
}

static void test_added(void **state)
{
    (void)state;
    struct ufw_rules rules;
    added("inactive", &rules);
    assert_int_equal(rules.count, 0);
    ufw_rules_free(&rules);

    added("odd", &rules);
    assert_int_equal(rules.count, 26);
    for (size_t i = 0; i < rules.count; i++)
        if (!rules.list[i].understood)
            fail_msg("%s", rules.list[i].text);
    const struct ufw_rule *r = rules.list;
    assert_int_equal(r[0].action, UFW_DENY);
    assert_string_equal(r[0].ports, "3478");
    assert_string_equal(r[0].proto, "udp");
    assert_string_equal(r[1].app, "OpenSSH");
    assert_false(r[3].incoming); /* reject out 25/tcp */
    assert_false(r[4].any_source);
    assert_string_equal(r[4].ports, "5432");
    assert_false(r[5].any_source); /* in on eth0 */
    assert_string_equal(r[7].ports, "1,2,3");
    assert_string_equal(r[10].app, "Two Words");
    assert_false(r[12].any_target);
    assert_false(r[13].incoming); /* route */
    assert_string_equal(r[16].source_ports, "67");
    assert_false(r[20].any_source); /* from any app OpenSSH */
    assert_string_equal(r[22].comment, "-j ACCEPT \"x\"");
    ufw_rules_free(&rules);
}

static void test_matches(void **state)
{
    (void)state;
    static const struct {
        const char *rule;
        enum ports_proto proto;
        uint16_t port;
        bool matches;
    } cases[] = {
        {"ufw deny 443/tcp", PORTS_TCP, 443, true},
        {"ufw deny 443/tcp", PORTS_UDP, 443, false},
        {"ufw deny 443", PORTS_UDP, 443, true},
        {"ufw deny 80,443/tcp", PORTS_TCP, 443, true},
        {"ufw deny 400:450/tcp", PORTS_TCP, 443, true},
        {"ufw deny 444:450/tcp", PORTS_TCP, 443, false},
        {"ufw deny from any", PORTS_TCP, 443, true},
        {"ufw deny from 192.0.2.1", PORTS_TCP, 443, true},
        {"ufw deny from any to any port 443 proto tcp comment 'a b'", PORTS_TCP, 443, true},
        {"ufw deny from any port 443", PORTS_TCP, 443, false},
        {"ufw deny out 443/tcp", PORTS_TCP, 443, false},
        {"ufw route deny to any port 443", PORTS_TCP, 443, false},
        {"ufw deny OpenSSH", PORTS_TCP, 22, false},
        {"ufw deny to any proto esp", PORTS_TCP, 443, false},
        {"ufw deny in log 443/tcp", PORTS_TCP, 443, true},
        {"ufw deny upside down", PORTS_TCP, 443, false},
        {"ufw deny 443/tcp comment 'open", PORTS_TCP, 443, false},
        {"ufw", PORTS_TCP, 443, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ufw_rules rules;
        assert_true(ufw_parse_added(cases[i].rule, &rules, NULL));
        bool matches =
            rules.count > 0 && ufw_rule_matches(&rules.list[0], cases[i].proto, cases[i].port);
        if (matches != cases[i].matches)
            fail_msg("%s", cases[i].rule);
        ufw_rules_free(&rules);
    }
}

/* What a rule of ours has become. */
static void test_find(void **state)
{
    (void)state;
    struct ufw_rules rules;
    assert_true(ufw_parse_added("ufw allow 443/tcp comment 'mine'\nufw limit 22/tcp\n"
                                "ufw allow 3478/udp comment 'derp-relay: STUN'\nufw allow 80/tcp\n",
                                &rules, NULL));
    const struct ufw_rule *rule =
        ufw_rules_find(&rules, "ufw allow 443/tcp comment 'derp-relay: TLS'");
    assert_string_equal(rule->comment, "mine");
    rule = ufw_rules_find(&rules, "ufw allow 80/tcp comment 'derp-relay: allowed'");
    assert_null(rule->comment);
    rule = ufw_rules_find(&rules, "ufw allow 3478/udp comment 'derp-relay: STUN'");
    assert_string_equal(rule->comment, "derp-relay: STUN");
    assert_null(ufw_rules_find(&rules, "ufw allow 22/tcp comment 'derp-relay: SSH'"));
    assert_null(ufw_rules_find(&rules, "ufw allow 8/tcp"));
    ufw_rules_free(&rules);
}

static void test_same_rules(void **state)
{
    (void)state;
    const char *one = "*filter\n### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n-A x\n";
    const char *two = "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n"
                      "### tuple ### allow tcp 23 0.0.0.0/0 any 0.0.0.0/0 in";
    assert_true(ufw_same_rules(one, "# by hand\n### tuple ### allow tcp 22 0.0.0.0/0 any "
                                    "0.0.0.0/0 in\nCOMMIT"));
    assert_false(ufw_same_rules(one, two));
    assert_false(ufw_same_rules(two, one));
    assert_false(ufw_same_rules(one, "### tuple ### allow tcp 23 0.0.0.0/0 any 0.0.0.0/0 in\n"));
    assert_false(ufw_same_rules(one, ""));
    assert_true(ufw_same_rules(two, two));
    assert_true(ufw_same_rules("", "*filter\nCOMMIT\n"));
}

static void test_policies(void **state)
{
    (void)state;
    assert_int_equal(ufw_policy_parse("DROP"), UFW_POLICY_DENY);
    assert_int_equal(ufw_policy_parse("deny"), UFW_POLICY_DENY);
    assert_int_equal(ufw_policy_parse("disabled"), UFW_POLICY_UNKNOWN);
    assert_string_equal(ufw_policy_name(UFW_POLICY_REJECT), "reject");
}

static void test_words(void **state)
{
    (void)state;
    struct words w;
    assert_true(words_split("  a 'b c' \"d \\\" e\" f\\ g '' ", &w));
    assert_int_equal(w.count, 5);
    assert_string_equal(w.list[1], "b c");
    assert_string_equal(w.list[2], "d \" e");
    assert_string_equal(w.list[3], "f g");
    assert_string_equal(w.list[4], "");
    assert_null(w.list[5]);
    words_free(&w);
    assert_false(words_split("a 'b", &w));
    assert_false(words_split("a\\", &w));
    assert_true(words_split("", &w));
    assert_int_equal(w.count, 0);
}

static void test_settings(void **state)
{
    (void)state;
    char *text = recorded(SEEDS "firewall_ufw/default");
    char *value = words_setting(text, "DEFAULT_INPUT_POLICY");
    assert_string_equal(value, "DROP");
    free(value);
    value = words_setting("#A=1\n A=2\nAB=3\nA='4 5' # x\n", "A");
    assert_string_equal(value, "4 5");
    free(value);
    assert_null(words_setting(text, "DEFAULT"));
    value = words_setting("A=", "A");
    assert_string_equal(value, "");
    free(value);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),     cmocka_unit_test(test_status_refuses),
        cmocka_unit_test(test_added),      cmocka_unit_test(test_matches),
        cmocka_unit_test(test_policies),   cmocka_unit_test(test_words),
        cmocka_unit_test(test_settings),   cmocka_unit_test(test_find),
        cmocka_unit_test(test_same_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
