/* SPDX-License-Identifier: Apache-2.0 */
/* A server as inspection saw it, for tests of the pure code that judges it. */
#ifndef TESTS_UNIT_FIREWALL_SERVER_H
#define TESTS_UNIT_FIREWALL_SERVER_H

#include "firewall/facts.h"
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
static inline void set_files(struct server *s, const char *user4, const char *user6)
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

static inline void set_kernel(struct server *s, const char *name4, const char *name6)
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

static inline void set_added(struct server *s, const char *text)
{
    ufw_rules_free(&s->facts.ufw.added);
    assert_true(ufw_parse_added(text, &s->facts.ufw.added, NULL));
}

/* state points at facts, as inspection leaves it. */
static inline void refresh(struct server *s)
{
    s->state.facts = &s->facts;
    s->state.ssh = s->facts.ssh.ports.list;
    s->state.ssh_count = s->facts.ssh.ports.count;
    s->state.ufw_active = s->facts.ufw.status.active;
    s->state.ufw_at_boot = s->facts.ufw.enabled;
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
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
static inline void make_active(struct server *s)
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

/* Somebody who is logged in over SSH. */
static inline void add_peer(struct server *s, const char *remote, const char *local)
{
    struct ssh_peer peer;
    assert_true(endpoint_parse(remote, 0, &peer.remote));
    assert_true(endpoint_parse(local, 0, &peer.local));
    struct ssh *ssh = &s->facts.ssh;
    ssh->peers = mem_resize(ssh->peers, ssh->peer_count + 1, sizeof peer);
    ssh->peers[ssh->peer_count++] = peer;
}

#endif
