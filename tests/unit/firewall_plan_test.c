/* SPDX-License-Identifier: Apache-2.0 */
/* The pure middle: what is wanted, the plan and the proof. */
#include "firewall/plan.c"
#include "firewall/reach.c"
#include "firewall/verify.c"
#include "firewall/wanted.c"

#include "tests/unit/firewall_server.h"

/* The plan as "step; step". */
static void expect_plan(struct server *s, const char *steps)
{
    struct buf b;
    buf_init(&b, 8192);
    firewall_plan_free(&s->plan);
    firewall_plan(&s->o, &s->state, &s->plan);
    for (size_t i = 0; i < s->plan.count; i++)
        buf_printf(&b, "%s%s", i ? "; " : "", s->plan.steps[i].text);
    assert_string_equal(buf_text(&b), steps);
    buf_free(&b);
}

/* --- Wanted ------------------------------------------------------------------------------------
 */

static void test_wanted(void **state)
{
    struct server *s = *state;
    struct wanted_list all;
    static const struct firewall_port allow[] = {{PORTS_TCP, 443}, {PORTS_UDP, 443}};
    s->o.allow = allow;
    s->o.allow_count = 2;
    s->o.relay_port = 8443;
    wanted_make(&s->o, s->state.ssh, s->state.ssh_count, &all);
    assert_int_equal(all.count, 5);
    assert_int_equal(all.list[0].kind, WANTED_SSH);
    assert_int_equal(all.list[1].at.port, 8443);
    assert_int_equal(all.list[2].at.port, 3478);
    assert_int_equal(all.list[4].at.proto, PORTS_UDP);
    wanted_free(&all);
    s->o.no_stun = true;
    s->o.relay_port = 443;
    wanted_make(&s->o, s->state.ssh, s->state.ssh_count, &all);
    assert_int_equal(all.count, 3); /* 443/tcp only once */
    assert_false(wanted_has(&all, PORTS_UDP, 3478));
    wanted_free(&all);
}

static void test_port_texts(void **state)
{
    (void)state;
    struct firewall_port port;
    struct fault f;
    assert_true(firewall_port_parse("9090/tcp", &port, &f));
    assert_int_equal(port.port, 9090);
    assert_true(firewall_port_parse("53/udp", &port, &f));
    assert_int_equal(port.proto, PORTS_UDP);
    static const char *const bad[] = {"",      "/tcp",          "0/tcp",  "65536/tcp",
                                      "22",    "22/sctp",       "-1/tcp", "22/tcp ",
                                      "a/tcp", "000000022/tcp", "22/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(firewall_port_parse(bad[i], &port, &f));
}

/* --- Plan ----------------------------------------------------------------------------------------
 */

#define THREE "allow 22/tcp (SSH); allow 443/tcp (relay); allow 3478/udp (STUN)"

static void test_plan_fresh(void **state)
{
    struct server *s = *state;
    expect_plan(s, THREE "; enable ufw, now and at boot");
    char **argv = s->plan.steps[1].argv;
    assert_string_equal(argv[0], "ufw");
    assert_string_equal(argv[1], "allow");
    assert_string_equal(argv[2], "443/tcp");
    assert_string_equal(argv[3], "comment");
    assert_string_equal(argv[4], "derp-relay: TLS");
    assert_null(argv[5]);
    assert_string_equal(s->plan.summary, "allow 22/tcp, 443/tcp, 3478/udp; deny other incoming, "
                                         "allow outgoing");
}

static void test_plan_missing(void **state)
{
    struct server *s = *state;
    s->state.ufw_installed = false;
    expect_plan(s, "install ufw (apt); " THREE "; deny incoming by default; allow outgoing by "
                   "default; enable ufw, now and at boot");
}

static void test_plan_done(void **state)
{
    struct server *s = *state;
    make_active(s);
    expect_plan(s, "");
    assert_true(text_starts(s->plan.summary, "already as wanted"));
}

static void test_plan_partly(void **state)
{
    struct server *s = *state;
    make_active(s);
    /* IPv6 lacks 443; the rule is added for both, and ufw skips what exists. */
    set_files(s,
              "-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n"
              "-A ufw-user-input -p tcp --dport 443 -j ACCEPT\n"
              "-A ufw-user-input -p udp --dport 3478 -j ACCEPT\n",
              "-A ufw6-user-input -p tcp --dport 22 -j ACCEPT\n"
              "-A ufw6-user-input -p udp --dport 3478 -j ACCEPT\n");
    expect_plan(s, "allow 443/tcp (relay)");
    s->facts.ufw.ipv6 = false;
    expect_plan(s, "");
}

static void test_plan_policies(void **state)
{
    struct server *s = *state;
    make_active(s);
    s->facts.ufw.incoming = UFW_POLICY_ALLOW;
    s->facts.ufw.outgoing = UFW_POLICY_REJECT;
    expect_plan(s, "deny incoming by default; allow outgoing by default");
    s->facts.ufw.incoming = UFW_POLICY_REJECT;
    s->facts.ufw.outgoing = UFW_POLICY_ALLOW;
    expect_plan(s, "");
    s->facts.ufw.status.active = false;
    refresh(s);
    expect_plan(s, "deny incoming by default; enable ufw, now and at boot");
}

static void test_plan_boot(void **state)
{
    struct server *s = *state;
    make_active(s);
    s->facts.systemd = true;
    expect_plan(s, "start ufw.service at boot");
    s->facts.unit_enabled = true;
    s->facts.ufw.enabled = false;
    expect_plan(s, "enable ufw, now and at boot");
}

/* --- Reach
 * ----------------------------------------------------------------------------------------- */

static enum reach reach_of_port(struct server *s, const char *user, enum wanted_kind kind,
                                const char *port)
{
    struct wanted w = {.kind = kind};
    assert_true(firewall_port_parse(port, &w.at, NULL));
    set_files(s, user, "");
    return reach_by_ufw(&s->facts, FAMILY_IP4, &w).reach;
}

/* Pitfall 5. */
static void test_reach(void **state)
{
    struct server *s = *state;
    static const struct {
        const char *user;
        enum reach reach;
    } cases[] = {
        {"", REACH_MISSING},
        {"-A ufw-user-input -p tcp --dport 443 -j ACCEPT", REACH_OPEN},
        {"-A ufw-user-input -p tcp --dport 443 -j DROP", REACH_DENIED},
        {"-A ufw-user-input -p tcp --dport 443 -j REJECT --reject-with tcp-reset", REACH_DENIED},
        {"-A ufw-user-input -p tcp --dport 443 -j ACCEPT\n"
         "-A ufw-user-input -p tcp --dport 443 -j DROP",
         REACH_OPEN},
        {"-A ufw-user-input -s 192.0.2.66 -j DROP", REACH_MISSING},
        {"-A ufw-user-input -i eth0 -p tcp --dport 443 -j ACCEPT", REACH_OPEN},
        {"-A ufw-user-input -i eth1 -p tcp --dport 443 -j ACCEPT", REACH_MISSING},
        {"-A ufw-user-input -p tcp --dport 443 -s 10.0.0.0/8 -j ACCEPT", REACH_MISSING},
        {"-A ufw-user-input -p tcp --dport 443 -m conntrack --ctstate NEW -m recent --update "
         "--seconds 30 --hitcount 6 -j ufw-user-limit\n"
         "-A ufw-user-input -p tcp --dport 443 -j ufw-user-limit-accept\n"
         "-A ufw-user-limit -j REJECT\n-A ufw-user-limit-accept -j ACCEPT",
         REACH_LIMITED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (reach_of_port(s, cases[i].user, WANTED_RELAY, "443/tcp") != cases[i].reach)
            fail_msg("%s", cases[i].user);
}

/* Rules for some sources are enough for SSH only when they provably lock nobody out. */
static void test_restricted_ssh(void **state)
{
    struct server *s = *state;
    static const char rule[] = "-A ufw-user-input -p tcp --dport 22 -s 192.0.2.0/24 -j ACCEPT";
    assert_int_equal(reach_of_port(s, rule, WANTED_SSH, "22/tcp"), REACH_MISSING);
    add_peer(s, "192.0.2.7:50000", "203.0.113.10:22");
    assert_int_equal(reach_of_port(s, rule, WANTED_SSH, "22/tcp"), REACH_RESTRICTED);
    assert_int_equal(reach_of_port(s, "", WANTED_SSH, "22/tcp"), REACH_MISSING);
    assert_int_equal(reach_of_port(s, rule, WANTED_RELAY, "22/tcp"), REACH_MISSING);
    add_peer(s, "198.51.100.7:50000", "203.0.113.10:22");
    assert_int_equal(reach_of_port(s, rule, WANTED_SSH, "22/tcp"), REACH_MISSING);
    s->facts.ssh.peer_count = 0;
    s->facts.ufw.status.active = true;
    assert_int_equal(reach_of_port(s, rule, WANTED_SSH, "22/tcp"), REACH_RESTRICTED);
}

/* --- Proof ---------------------------------------------------------------------------------------
 */

static void expect_verdict(struct server *s, const char *id)
{
    findings_free(&s->all);
    bool ok = firewall_verify(&s->o, &s->state, &s->all);
    assert_int_equal(ok, strcmp(id, "firewall.ok") == 0);
    assert_non_null(findings_get(&s->all, id));
    for (size_t i = 0; i < s->all.count; i++)
        assert_true(s->all.list[i].severity != SEVERITY_FAIL || s->all.list[i].fix);
}

/* Pitfall 8. */
static void test_verify(void **state)
{
    struct server *s = *state;
    expect_verdict(s, "firewall.readback"); /* not active */
    make_active(s);
    expect_verdict(s, "firewall.ok");

    set_kernel(s, "fresh-iptables", "ipv6-off-ip6tables");
    expect_verdict(s, "firewall.readback");
    assert_non_null(strstr(findings_get(&s->all, "firewall.readback")->message, "IPv6"));
    s->facts.ufw.ipv6 = false;
    expect_verdict(s, "firewall.ok");
    make_active(s);
    s->facts.ufw.ipv6 = true;

    set_kernel(s, "reject-first-iptables", "fresh-ip6tables");
    expect_verdict(s, "firewall.readback");
    assert_non_null(
        strstr(findings_get(&s->all, "firewall.readback")->message, "icmp-host-prohibited"));
    set_kernel(s, "empty-iptables", "fresh-ip6tables");
    expect_verdict(s, "firewall.readback"); /* the policy is ACCEPT */
}

static void test_verify_settings(void **state)
{
    struct server *s = *state;
    make_active(s);
    s->state.ufw_at_boot = false;
    expect_verdict(s, "firewall.boot");
    refresh(s);
    s->facts.ufw.incoming = UFW_POLICY_ALLOW;
    expect_verdict(s, "firewall.policy");
    s->facts.ufw.incoming = UFW_POLICY_REJECT;
    expect_verdict(s, "firewall.ok");
    s->facts.ufw.outgoing = UFW_POLICY_DENY;
    expect_verdict(s, "firewall.policy");
    s->facts.ufw.outgoing = UFW_POLICY_ALLOW;
    ssh_ports_add(&s->facts.ssh.ports, 2222, FIREWALL_SSH_CONFIG);
    refresh(s);
    expect_verdict(s, "firewall.readback");
    assert_non_null(strstr(findings_get(&s->all, "firewall.readback")->message, "2222/tcp"));
}

static void test_verify_doubt(void **state)
{
    struct server *s = *state;
    make_active(s);
    assert_true(rules_append(&s->facts.kernel[FAMILY_IP4],
                             "-I INPUT -m set --match-set bad src -j DROP", NULL));
    findings_free(&s->all);
    assert_true(firewall_verify(&s->o, &s->state, &s->all));
    const struct finding *partly = findings_get(&s->all, "firewall.rule.partly");
    assert_non_null(partly);
    assert_int_equal(partly->severity, SEVERITY_WARN);
}

/* Before ufw is enabled: what it would load, by family. */
static void test_verify_files(void **state)
{
    struct server *s = *state;
    make_active(s);
    assert_true(verify_files(&s->o, &s->state, &s->all));
    assert_int_equal(s->all.count, 0);
    s->facts.ssh.ports.list[0].port = 2222;
    assert_false(verify_files(&s->o, &s->state, &s->all));
    assert_int_equal(s->all.count, 2); /* one for each family */
    assert_non_null(strstr(s->all.list[1].message, "2222/tcp"));
    findings_free(&s->all);
    s->facts.ufw.ipv6 = false;
    assert_false(verify_files(&s->o, &s->state, &s->all));
    assert_int_equal(s->all.count, 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_wanted),        cmocka_unit_test(test_port_texts),
        CASE(test_plan_fresh),    CASE(test_plan_missing),
        CASE(test_plan_done),     CASE(test_plan_partly),
        CASE(test_plan_policies), CASE(test_plan_boot),
        CASE(test_reach),         CASE(test_restricted_ssh),
        CASE(test_verify),        CASE(test_verify_settings),
        CASE(test_verify_doubt),  CASE(test_verify_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
