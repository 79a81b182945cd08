/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of a server: its rules, its other services, its surroundings. */
#include "firewall/others.c"
#include "firewall/report.c"

#include "firewall/wanted.h"
#include "tests/unit/firewall_server.h"

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

/* Rules whose owner's words are not known: of a file, or of a list that says it otherwise. */
static void test_report_denied_by_raw_rules(void **state)
{
    struct server *s = *state;
    set_added(s, "ufw reject 22/tcp\nufw deny 80/tcp\n");
    set_files(s,
              "-A ufw-before-input -p udp --dport 3478 -j DROP\n"
              "### tuple ### deny tcp 443 0.0.0.0/0 any 0.0.0.0/0 in\n"
              "-A ufw-user-input -p tcp --dport 443 -j DROP\n",
              "");
    report_rules(&s->o, &s->state, &s->all);
    assert_int_equal(s->all.count, 2);
    assert_non_null(strstr(s->all.list[0].message, "a rule of yours keeps 443/tcp"));
    assert_non_null(strstr(s->all.list[0].fix, "ufw delete NUMBER"));
    assert_non_null(strstr(s->all.list[1].message, "/etc/ufw/before*.rules keeps 3478/udp"));
    assert_non_null(strstr(s->all.list[1].message, "over IPv4: "));
    assert_non_null(strstr(s->all.list[1].fix, "out of the file"));
}

/* Nothing is changed unless it would be undone without us. */
static void test_report_guards(void **state)
{
    static const char *const command[] = {"/usr/sbin/derp-setup", "rollback", NULL};
    struct server *s = *state;
    assert_false(report_guards(&s->o, &s->facts, &s->all));
    assert_non_null(strstr(findings_get(&s->all, "firewall.timer")->message, "systemd is not"));
    findings_free(&s->all);
    s->facts.systemd = s->facts.guard_enabled = true;
    assert_false(report_guards(&s->o, &s->facts, &s->all));
    assert_non_null(strstr(findings_get(&s->all, "firewall.timer")->message, "installed"));
    findings_free(&s->all);
    s->o.rollback = command;
    assert_true(report_guards(&s->o, &s->facts, &s->all));
    assert_int_equal(s->all.count, 0);
    s->facts.guard_enabled = false;
    assert_false(report_guards(&s->o, &s->facts, &s->all));
    assert_string_equal(findings_get(&s->all, "firewall.guard")->fix,
                        "systemctl enable derp-fw-guard.service");
    findings_free(&s->all);
    s->o.unguarded = true;
    assert_true(report_guards(&s->o, &s->facts, &s->all));
}

/* Usable, but not for everybody at any speed. */
static void test_report_usable(void **state)
{
    struct server *s = *state;
    add_peer(s, "192.0.2.7:50000", "203.0.113.10:22");
    s->facts.ufw.ipv6 = false;
    set_files(s,
              "-A ufw-user-input -p tcp --dport 22 -s 192.0.2.0/24 -j ACCEPT\n"
              "-A ufw-user-input -p tcp --dport 443 -m conntrack --ctstate NEW -m recent --update "
              "--seconds 30 --hitcount 6 -j ufw-user-limit\n"
              "-A ufw-user-input -p tcp --dport 443 -j ufw-user-limit-accept\n"
              "-A ufw-user-limit -j REJECT\n-A ufw-user-limit-accept -j ACCEPT",
              "");
    report_rules(&s->o, &s->state, &s->all);
    assert_int_equal(s->all.count, 2);
    const struct finding *limited = findings_get(&s->all, "firewall.rule.limited");
    assert_non_null(limited);
    assert_string_equal(limited->fix, "ufw delete limit 443/tcp && ufw allow 443/tcp");
    assert_non_null(findings_get(&s->all, "firewall.ssh.restricted"));

    findings_free(&s->all);
    s->state.ufw_installed = false; /* then it has no rules */
    report_rules(&s->o, &s->state, &s->all);
    assert_int_equal(s->all.count, 0);
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

/* What is said under one id; words must be in it. */
static const struct finding *surroundings(struct server *s, const struct ports_list *listeners,
                                          const char *id, const char *words)
{
    findings_free(&s->all);
    report_surroundings(&s->o, &s->state, listeners, &s->all);
    const struct finding *f = findings_get(&s->all, id);
    if (words && (!f || !strstr(f->message, words)))
        fail_msg("%s: %s lacks: %s", id, f ? f->message : "nothing", words);
    return f;
}

static void test_report_surroundings(void **state)
{
    struct server *s = *state;
    struct ports_list all = {0};
    listener(&all, PORTS_TCP, "0.0.0.0:9090", "cockpit-ws");
    listener(&all, PORTS_UDP, "0.0.0.0:51820", "kernel");
    assert_null(surroundings(s, &all, "firewall.forward", NULL));
    s->facts.forwarding = true;
    surroundings(s, &all, "firewall.forward", "forwards packets");
    s->state.ufw_active = true; /* it has its rules for that already */
    assert_null(surroundings(s, &all, "firewall.forward", NULL));
    s->state.ufw_active = false;
    s->facts.ufw.forward = UFW_POLICY_ALLOW;
    assert_null(surroundings(s, &all, "firewall.forward", NULL));
    assert_null(surroundings(s, &all, "firewall.others", NULL));
    assert_null(surroundings(s, &all, "firewall.docker", NULL));
    expect_others(s, &all, "9090 51820");
    const struct finding *f = surroundings(s, &all, "firewall.others",
                                           "9090/tcp cockpit-ws (pid 7), 51820/udp the kernel");
    assert_non_null(strstr(f->fix, "--allow=9090/tcp --allow=51820/udp; or"));
    s->o.close_others = true; /* agreed: nothing left to advise */
    assert_null(surroundings(s, &all, "firewall.others", "9090/tcp")->fix);

    s->facts.docker = true;
    surroundings(s, &all, "firewall.docker", "does not cover them");
    listener(&all, PORTS_TCP, "0.0.0.0:8080", "docker-proxy");
    surroundings(s, &all, "firewall.docker", "does not cover 8080/tcp, docker-proxy (pid 7)");
    ports_free(&all);

    assert_null(surroundings(s, &all, "firewall.ipv6.off", NULL));
    s->facts.has_ip6 = false;
    surroundings(s, &all, "firewall.ipv6.none", "only IPv4");
    s->facts.has_ip6 = true;
    s->facts.ufw.ipv6 = false;
    f = surroundings(s, &all, "firewall.ipv6.off", "drops all IPv6, in and out");
    assert_int_equal(f->severity, SEVERITY_WARN);
    assert_non_null(strstr(f->fix, ", then run again"));
    s->facts.public_ip6 = s->state.ufw_active = true;
    f = surroundings(s, &all, "firewall.ipv6.off", "a public IPv6 address");
    assert_int_equal(f->severity, SEVERITY_FAIL);
    assert_non_null(strstr(f->fix, ", then: ufw reload"));
    s->facts.has_ip6 = false;
    assert_null(surroundings(s, &all, "firewall.ipv6.off", NULL));
}

/* "Ready" only when nothing since then has failed. */
static void test_report_ready(void **state)
{
    struct server *s = *state;
    finding_add(&s->all, SEVERITY_FAIL, "other.thing", "of an earlier check");
    report_ready(&s->state, 1, &s->all);
    assert_non_null(strstr(s->all.list[1].message, "installed and inactive"));
    make_active(s);
    report_ready(&s->state, 1, &s->all);
    assert_non_null(strstr(s->all.list[2].message, "installed and active"));
    s->state.ufw_installed = false;
    report_ready(&s->state, 1, &s->all);
    assert_non_null(strstr(s->all.list[3].message, "not installed yet"));
    report_pending(&s->all);
    assert_string_equal(s->all.list[4].id, "firewall.pending");
    assert_non_null(strstr(s->all.list[4].fix, "derp-setup rollback"));
    finding_add(&s->all, SEVERITY_FAIL, "firewall.foreign", "something");
    report_ready(&s->state, 1, &s->all);
    assert_int_equal(s->all.count, 6);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_report_denied),
        CASE(test_report_ssh),
        CASE(test_others),
        CASE(test_report_denied_by_raw_rules),
        CASE(test_report_guards),
        CASE(test_report_usable),
        CASE(test_report_surroundings),
        CASE(test_report_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
