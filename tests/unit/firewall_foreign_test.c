/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/foreign.c"
#include "firewall/nftjson.c"

#include "firewall/apt.h"
#include "tests/unit/firewall_fixture.h"

/* What is foreign in a recorded list; NULL for nothing. */
static char *foreign(const char *name, bool active)
{
    struct rules all = {0};
    struct fault f;
    char *path = mem_printf(SEEDS "firewall_rules/%s", name);
    char *text = recorded(path);
    assert_true(rules_parse(text, &all, &f));
    char *what = foreign_rules(&all, active);
    rules_free(&all);
    free(text);
    free(path);
    return what;
}

static void test_rules(void **state)
{
    (void)state;
    assert_null(foreign("fresh-iptables", true));
    assert_null(foreign("fresh-ip6tables", true));
    assert_null(foreign("disabled-iptables", false)); /* empty chains linger */
    assert_null(foreign("empty-iptables", false));
    assert_null(foreign("neighbours-iptables", true));
    char *what = foreign("reject-first-iptables", true);
    assert_non_null(strstr(what, "-m state --state RELATED,ESTABLISHED"));
    free(what);
    what = foreign("fresh-iptables", false);
    assert_non_null(strstr(what, "policy of chain INPUT is DROP"));
    free(what);
    /* ufw drops all IPv6 this way: the caller knows and does not ask. */
    what = foreign("ipv6-off-ip6tables", true);
    assert_non_null(what);
    free(what);
}

static void chains_of(const char *name, struct nft_chains *chains)
{
    struct fault f;
    char *path = mem_printf(SEEDS "firewall_nft/%s", name);
    char *text = recorded(path);
    assert_true(nftjson_parse(text, chains, &f));
    free(text);
    free(path);
}

static void test_nft_policy(void **state)
{
    (void)state;
    struct nft_chains c;
    chains_of("policy-drop.json", &c);
    assert_int_equal(c.count, 2); /* input and ingress; nat and forward decide nothing here */
    assert_string_equal(c.list[0].hook, "input");
    assert_true(c.list[0].policy_drop);
    assert_false(c.list[0].drops);
    assert_int_equal(c.list[0].rules, 4);
    assert_int_equal(foreign_nft_chain(&c.list[0], false), FOREIGN_YES);
    assert_int_equal(foreign_nft_chain(&c.list[1], false), FOREIGN_NONE);
    nft_chains_free(&c);
}

static void test_nft_map(void **state)
{
    (void)state;
    struct nft_chains c;
    chains_of("map.json", &c);
    assert_int_equal(c.count, 2);
    assert_true(c.list[0].drops); /* by a verdict map */
    assert_int_equal(foreign_nft_chain(&c.list[0], false), FOREIGN_YES);
    assert_int_equal(foreign_nft_chain(&c.list[1], false), FOREIGN_NONE); /* counts only */
    nft_chains_free(&c);
}

static void test_nft_of_iptables(void **state)
{
    (void)state;
    struct nft_chains c;
    chains_of("ufw.json", &c);
    assert_int_equal(c.count, 2);
    for (size_t i = 0; i < c.count; i++) {
        assert_true(nft_chain_is_iptables(&c.list[i]));
        assert_true(c.list[i].policy_drop);
        assert_int_equal(foreign_nft_chain(&c.list[i], false), FOREIGN_NONE);
        /* With iptables-legacy in use, nobody else would see these. */
        assert_int_equal(foreign_nft_chain(&c.list[i], true), FOREIGN_YES);
    }
    nft_chains_free(&c);
}

/* Pitfall 9. */
static void test_nft_judgement(void **state)
{
    (void)state;
    static const struct {
        const char *family, *table, *name, *hook;
        bool policy_drop;
        enum foreign_chain verdict;
    } cases[] = {
        {"inet", "filter", "input", "input", false, FOREIGN_YES},
        {"inet", "filter", "pre", "prerouting", false, FOREIGN_PERHAPS},
        {"inet", "filter", "pre", "prerouting", true, FOREIGN_YES},
        {"inet", "f2b-table", "f2b-chain", "input", false, FOREIGN_NONE},
        {"ip", "wg-quick-wg0", "preraw", "prerouting", false, FOREIGN_NONE},
        {"ip", "raw", "PREROUTING", "prerouting", false, FOREIGN_PERHAPS},
        {"ip", "filter", "input", "input", false, FOREIGN_YES}, /* not iptables': lower case */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nft_chain c = {.rules = 1, .drops = true, .policy_drop = cases[i].policy_drop};
        c.family = mem_strdup(cases[i].family);
        c.table = mem_strdup(cases[i].table);
        c.name = mem_strdup(cases[i].name);
        c.hook = mem_strdup(cases[i].hook);
        assert_int_equal(foreign_nft_chain(&c, false), cases[i].verdict);
        free(c.family);
        free(c.table);
        free(c.name);
        free(c.hook);
    }
}

static void test_nft_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{", "[]", "{\"nftables\": 1}", "{\"other\": []}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct nft_chains c;
        struct fault f = {""};
        assert_false(nftjson_parse(bad[i], &c, &f));
        assert_true(strlen(f.text) > 0);
    }
    struct nft_chains c;
    assert_true(nftjson_parse("{\"nftables\": [1, {\"chain\": 2}, {\"rule\": []}]}", &c, NULL));
    assert_int_equal(c.count, 0);
}

/* Pitfall 6. */
static void test_apt(void **state)
{
    (void)state;
    struct apt_simulation s;
    char *text = recorded(SEEDS "firewall_apt/ready");
    apt_parse_simulation(text, "ufw", &s);
    assert_true(s.installs);
    assert_string_equal(s.brings, "ufw");
    assert_null(s.removes);
    apt_simulation_free(&s);
    free(text);
    text = recorded(SEEDS "firewall_apt/conflict");
    apt_parse_simulation(text, "ufw", &s);
    assert_true(s.installs);
    assert_string_equal(s.removes, "iptables-persistent netfilter-persistent");
    apt_simulation_free(&s);
    free(text);
    text = recorded(SEEDS "firewall_apt/unknown");
    apt_parse_simulation(text, "ufw", &s);
    assert_false(s.installs);
    assert_null(s.removes);
    apt_simulation_free(&s);
    free(text);
    apt_parse_simulation("Inst ufw-extra (1)\nRemv\nPurg x [1]\n", "ufw", &s);
    assert_false(s.installs);
    assert_string_equal(s.removes, "x");
    apt_simulation_free(&s);
}

static void test_apt_along(void **state)
{
    (void)state;
    struct apt_simulation s;
    /* libxtables12 is there already, and newer now. */
    apt_parse_simulation("Inst libxtables12 [1.8.9-2] (1.8.11-2 Debian:13 [amd64])\n"
                         "Inst iptables (1.8.11-2 Debian:13 [amd64])\n"
                         "Inst ufw (0.36.2-9 Debian:13 [all])\nConf iptables (1.8.11-2)\n",
                         "ufw", &s);
    assert_true(s.installs);
    assert_string_equal(s.brings, "iptables ufw");
    assert_null(s.removes);
    apt_simulation_free(&s);
}

static void names_are(char *got, const char *wanted)
{
    if (wanted)
        assert_string_equal(got, wanted);
    else
        assert_null(got);
    free(got);
}

static void test_apt_names(void **state)
{
    (void)state;
    names_are(apt_names_in("ufw iptables python3", "python3-apt ufw python3"), "ufw python3");
    names_are(apt_names_not_in("ufw iptables python3", "python3-apt ufw python3"), "iptables");
    names_are(apt_names_in("ufw", "ufw-extra gufw uf"), NULL);
    names_are(apt_names_in("a b", NULL), NULL);
    names_are(apt_names_not_in("a b", NULL), "a b");
    names_are(apt_names_not_in(NULL, "a"), NULL);
    names_are(apt_names_in("", ""), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),         cmocka_unit_test(test_nft_policy),
        cmocka_unit_test(test_nft_map),       cmocka_unit_test(test_nft_of_iptables),
        cmocka_unit_test(test_nft_judgement), cmocka_unit_test(test_nft_refuses),
        cmocka_unit_test(test_apt),           cmocka_unit_test(test_apt_along),
        cmocka_unit_test(test_apt_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
