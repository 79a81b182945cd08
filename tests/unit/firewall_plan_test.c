/* SPDX-License-Identifier: Apache-2.0 */
/* The pure middle: what is wanted, the plan, the proof and what is said about them. */
#include "firewall/others.c"
#include "firewall/plan.c"
#include "firewall/reach.c"
#include "firewall/verify.c"
#include "firewall/wanted.c"

#include "firewall/report.h"
#include "firewall/ufw.h"
#include "tests/unit/firewall_fixture.h"

/* A server with ufw installed and sshd on port 22; tests change what they are about. */
struct server {
    struct firewall_options o;
    struct firewall_facts facts;
    struct firewall_state state;
    struct findings all;
    struct firewall_plan plan;
};

static const char *const seeds[FAMILIES][2] = {
    {SEEDS "firewall_rules/before.rules", SEEDS "firewall_rules/after.rules"},
    {SEEDS "firewall_rules/before6.rules", SEEDS "firewall_rules/after6.rules"}};

/* The tables ufw would load with these rules of its user. */
static void set_files(struct server *s, const char *user4, const char *user6)
{
    const char *const user[FAMILIES] = {user4, user6};
    for (int i = 0; i < FAMILIES; i++) {
        char *before = recorded(seeds[i][0]), *after = recorded(seeds[i][1]);
        rules_free(&s->facts.ufw.files[i]);
        assert_true(ufw_assemble((enum family)i, before, user[i], after, UFW_POLICY_DENY,
                                 &s->facts.ufw.files[i], NULL));
        free(before);
        free(after);
    }
}

static void set_kernel(struct server *s, const char *name4, const char *name6)
{
    const char *const names[FAMILIES] = {name4, name6};
    for (int i = 0; i < FAMILIES; i++) {
        char *path = mem_printf(SEEDS "firewall_rules/%s", names[i]);
        char *text = recorded(path);
        rules_free(&s->facts.kernel[i]);
        assert_true(rules_parse(text, &s->facts.kernel[i], NULL));
        free(text);
        free(path);
    }
}

static void set_added(struct server *s, const char *text)
{
    ufw_rules_free(&s->facts.ufw.added);
    assert_true(ufw_parse_added(text, &s->facts.ufw.added, NULL));
}

/* state points at facts, as inspection leaves it. */
static void refresh(struct server *s)
{
    s->state.facts = &s->facts;
    s->state.ssh = s->facts.ssh.ports.list;
    s->state.ssh_count = s->facts.ssh.ports.count;
    s->state.ufw_active = s->facts.ufw.status.active;
    s->state.ufw_at_boot = s->facts.ufw.enabled;
}

static int setup(void **state)
{
    struct server *s = mem_alloc(1, sizeof *s);
    s->state.ufw_installed = true;
    s->facts.has_ip6 = true;
    s->facts.ufw.ipv6 = true;
    s->facts.ufw.incoming = UFW_POLICY_DENY;
    s->facts.ufw.outgoing = UFW_POLICY_ALLOW;
    memcpy(s->facts.interface, "eth0", 5);
    ssh_ports_add(&s->facts.ssh.ports, 22, FIREWALL_SSH_LISTENER);
    set_files(s, "", "");
    set_kernel(s, "empty-iptables", "empty-iptables");
    refresh(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct server *s = *state;
    firewall_plan_free(&s->plan);
    findings_free(&s->all);
    ports_free(&s->state.others);
    ufw_facts_free(&s->facts.ufw);
    for (int i = 0; i < FAMILIES; i++)
        rules_free(&s->facts.kernel[i]);
    ssh_free(&s->facts.ssh);
    free(s);
    return 0;
}

/* ufw at work with 22, 443 and 3478 open. */
static void make_active(struct server *s)
{
    s->facts.ufw.status = (struct ufw_status){true, UFW_POLICY_DENY, UFW_POLICY_ALLOW};
    s->facts.ufw.enabled = true;
    set_files(s,
              "-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n"
              "-A ufw-user-input -p tcp --dport 443 -j ACCEPT\n"
              "-A ufw-user-input -p udp --dport 3478 -j ACCEPT\n",
              "-A ufw6-user-input -p tcp --dport 22 -j ACCEPT\n"
              "-A ufw6-user-input -p tcp --dport 443 -j ACCEPT\n"
              "-A ufw6-user-input -p udp --dport 3478 -j ACCEPT\n");
    set_kernel(s, "fresh-iptables", "fresh-ip6tables");
    refresh(s);
}

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

static void add_peer(struct server *s, const char *remote, const char *local)
{
    struct ssh_peer peer;
    assert_true(endpoint_parse(remote, 0, &peer.remote));
    assert_true(endpoint_parse(local, 0, &peer.local));
    struct ssh *ssh = &s->facts.ssh;
    ssh->peers = mem_resize(ssh->peers, ssh->peer_count + 1, sizeof peer);
    ssh->peers[ssh->peer_count++] = peer;
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

/* --- What is said
 * ------------------------------------------------------------------------------------ */

static void test_report_denied(void **state)
{
    struct server *s = *state;
    set_added(s, "ufw deny 443/tcp comment 'mine'\nufw allow 443/tcp\n");
    set_files(s,
              "### tuple ### deny tcp 443 0.0.0.0/0 any 0.0.0.0/0 in comment=6d\n"
              "-A ufw-user-input -p tcp --dport 443 -j DROP\n",
              "");
    report_rules(&s->o, &s->state, &s->all);
    const struct finding *f = findings_get(&s->all, "firewall.rule.denied");
    assert_non_null(f);
    assert_non_null(strstr(f->message, "ufw deny 443/tcp comment 'mine'"));
    assert_string_equal(f->fix, "ufw delete deny 443/tcp; then run again");
    assert_int_equal(s->all.count, 1);
}

static void test_report_ssh(void **state)
{
    struct server *s = *state;
    report_ssh(&s->state, &s->all);
    assert_non_null(findings_get(&s->all, "firewall.ssh.ports"));
    s->state.ssh_count = 0;
    report_ssh(&s->state, &s->all);
    assert_int_equal(findings_get(&s->all, "firewall.ssh.none")->severity, SEVERITY_OK);
    s->state.ssh_session = true;
    report_ssh(&s->state, &s->all);
    assert_int_equal(findings_get(&s->all, "firewall.ssh.unknown")->severity, SEVERITY_FAIL);
}

/* --- Others
 * ------------------------------------------------------------------------------------------- */

static void listener(struct ports_list *all, enum ports_proto proto, const char *local,
                     const char *comm)
{
    struct ports_owner owner = {.proto = proto, .public_address = true, .pid = 7};
    assert_true(endpoint_parse(local, 0, &owner.local));
    snprintf(owner.comm, sizeof owner.comm, "%s", comm);
    if (strcmp(comm, "kernel") == 0)
        owner.pid = 0;
    all->list = mem_resize(all->list, all->count + 1, sizeof owner);
    all->list[all->count++] = owner;
}

static void expect_others(struct server *s, const struct ports_list *listeners, const char *ports)
{
    struct wanted_list wanted;
    struct others_range range = {32768, 60999};
    struct buf b;
    buf_init(&b, 4096);
    ports_free(&s->state.others);
    wanted_make(&s->o, s->state.ssh, s->state.ssh_count, &wanted);
    others_find(listeners, &wanted, &s->facts, &range, &s->state.others);
    for (size_t i = 0; i < s->state.others.count; i++)
        buf_printf(&b, "%s%u", i ? " " : "", endpoint_port(&s->state.others.list[i].local));
    assert_string_equal(buf_text(&b), ports);
    buf_free(&b);
    wanted_free(&wanted);
}

static void test_others(void **state)
{
    struct server *s = *state;
    struct ports_list all = {0};
    listener(&all, PORTS_TCP, "0.0.0.0:22", "sshd");
    listener(&all, PORTS_TCP, "0.0.0.0:443", "derpd");
    listener(&all, PORTS_TCP, "0.0.0.0:9090", "cockpit-ws");
    listener(&all, PORTS_TCP, "[::]:9090", "cockpit-ws");
    listener(&all, PORTS_TCP, "[2001:db8::1]:40000", "app");
    listener(&all, PORTS_TCP, "0.0.0.0:8080", "docker-proxy");
    listener(&all, PORTS_UDP, "0.0.0.0:68", "dhclient");
    listener(&all, PORTS_TCP, "0.0.0.0:5355", "systemd-resolve");
    listener(&all, PORTS_UDP, "0.0.0.0:443", "quic");
    listener(&all, PORTS_UDP, "0.0.0.0:40001", "resolver");
    listener(&all, PORTS_UDP, "0.0.0.0:51820", "kernel");
    listener(&all, PORTS_UDP, "0.0.0.0:60001", "mosh-server");
    listener(&all, PORTS_TCP, "127.0.0.1:5432", "postgres");
    all.list[all.count - 1].public_address = false;
    expect_others(s, &all, "9090 40000 443 51820 60001");
    /* What the owner's rules let in stays. */
    set_files(s, "-A ufw-user-input -p tcp --dport 9090 -j ACCEPT", "");
    expect_others(s, &all, "40000 443 51820 60001");
    /* And where ufw is at work, nothing is left to close. */
    make_active(s);
    expect_others(s, &all, "");
    ports_free(&all);
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
        CASE(test_verify_doubt),  CASE(test_report_denied),
        CASE(test_report_ssh),    CASE(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
