/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/translate.h"
#include "firewall/others.h"
#include "firewall/reach.h"
#include "firewall/surroundings.h"

#define MAX_TEXT (256U << 10)

/* --- SSH -----------------------------------------------------------------------------------------
 */

void report_ssh(const struct firewall_state *state, struct findings *all)
{
    size_t i;
    if (state->ssh_count > 0) {
        char *ports = ssh_ports_print(state->ssh, state->ssh_count);
        finding_add(all, SEVERITY_OK, "firewall.ssh.ports", "SSH ports that stay open: %s", ports);
        free(ports);
    } else if (state->ssh_session) {
        i = finding_add(all, SEVERITY_FAIL, "firewall.ssh.unknown",
                        "somebody is logged in over SSH, but no source tells the port (sockets, "
                        "systemd, sshd -T, SSH_CONNECTION); a firewall could lock you out");
        finding_fix(all, i, "name the port: --ssh-port=PORT");
    } else {
        finding_add(all, SEVERITY_OK, "firewall.ssh.none",
                    "no SSH server was found and nobody is logged in over SSH; no SSH port will "
                    "be opened");
    }
}

/* --- The owner's rules ---------------------------------------------------------------------------
 */

/* The command that takes a rule away: "ufw delete deny 443/tcp" of "ufw deny 443/tcp comment 'x'".
 */
static char *delete_command(const char *text)
{
    const char *end = strstr(text, " comment '");
    const char *rule = text + strlen("ufw ");
    size_t n = end ? (size_t)(end - rule) : strlen(rule);
    if (strncmp(rule, "route ", 6) == 0)
        return mem_printf("ufw route delete %.*s", (int)(n - 6), rule + 6);
    return mem_printf("ufw delete %.*s", (int)n, rule);
}

/* The rule as its owner wrote it, where ufw's list has it. */
static const struct ufw_rule *denying_rule(const struct ufw_rules *added, const struct wanted *w)
{
    for (size_t i = 0; i < added->count; i++) {
        const struct ufw_rule *rule = &added->list[i];
        if ((rule->action == UFW_DENY || rule->action == UFW_REJECT) &&
            ufw_rule_matches(rule, w->at.proto, w->at.port))
            return rule;
    }
    return NULL;
}

static void report_denied(const struct firewall_facts *facts, const struct wanted *w,
                          enum family family, const struct rules_rule *raw, struct findings *all)
{
    char port[WANTED_TEXT];
    const struct ufw_rule *rule = denying_rule(&facts->ufw.added, w);
    wanted_print(&w->at, port);
    if (rule && raw && raw->tuple) {
        char *command = delete_command(rule->text);
        size_t i = finding_add(all, SEVERITY_FAIL, "firewall.rule.denied",
                               "your rule \"%s\" keeps %s (%s) closed; a later allow would not "
                               "help, since the first match counts",
                               rule->text, port, wanted_name(w->kind));
        finding_fix(all, i, "%s; then run again", command);
        free(command);
        return;
    }
    size_t i = finding_add(all, SEVERITY_FAIL, "firewall.rule.denied",
                           "a rule of %s keeps %s (%s) closed over %s: %s",
                           raw && raw->tuple ? "yours" : "/etc/ufw/before*.rules", port,
                           wanted_name(w->kind), family_name(family), raw ? raw->text : "?");
    finding_fix(all, i,
                raw && raw->tuple ? "ufw status numbered; ufw delete NUMBER; then run again"
                                  : "take the rule out of the file; then run again");
}

static void report_usable(const struct wanted *w, enum reach reach, struct findings *all)
{
    char port[WANTED_TEXT];
    size_t i;
    wanted_print(&w->at, port);
    if (reach == REACH_LIMITED && w->kind != WANTED_SSH) {
        i = finding_add(all, SEVERITY_WARN, "firewall.rule.limited",
                        "your rule limits new connections to %s (%s): clients behind one address "
                        "may be refused. It stays as it is",
                        port, wanted_name(w->kind));
        finding_fix(all, i, "ufw delete limit %s && ufw allow %s", port, port);
    } else if (reach == REACH_RESTRICTED) {
        finding_add(all, SEVERITY_WARN, "firewall.ssh.restricted",
                    "your rules open %s (%s) to some sources only; they stay as they are", port,
                    wanted_name(w->kind));
    }
}

static void report_port(const struct firewall_facts *facts, const struct wanted *w,
                        struct findings *all)
{
    enum reach worst = REACH_OPEN;
    for (int i = 0; i < FAMILIES; i++) {
        enum family family = (enum family)i;
        if (family == FAMILY_IP6 && !facts->ufw.ipv6)
            continue;
        struct reach_result result = reach_by_ufw(facts, family, w);
        if (result.reach == REACH_DENIED) {
            report_denied(facts, w, family, result.rule, all);
            return;
        }
        if (result.reach != REACH_MISSING && result.reach > worst)
            worst = result.reach;
    }
    report_usable(w, worst, all);
}

void report_rules(const struct firewall_options *o, const struct firewall_state *state,
                  struct findings *all)
{
    struct wanted_list wanted;
    if (!state->ufw_installed)
        return;
    wanted_make(o, state->ssh, state->ssh_count, &wanted);
    for (size_t i = 0; i < wanted.count; i++)
        report_port(state->facts, &wanted.list[i], all);
    wanted_free(&wanted);
}

/* --- Surroundings
 * --------------------------------------------------------------------------------- */

static void report_others(const struct firewall_options *o, const struct ports_list *others,
                          struct findings *all)
{
    char owner[320];
    struct buf names, flags;
    if (others->count == 0)
        return;
    buf_init(&names, MAX_TEXT);
    buf_init(&flags, MAX_TEXT);
    for (size_t i = 0; i < others->count; i++) {
        const struct ports_owner *one = &others->list[i];
        const char *proto = ports_proto_name(one->proto);
        unsigned port = endpoint_port(&one->local);
        translate_buf(&names, "%s%u/%s %s", i ? N_(", ") : "", port, proto,
                      ports_owner_print(one, owner, sizeof owner));
        buf_printf(&flags, " --allow=%u/%s", port, proto);
    }
    size_t i =
        finding_add(all, SEVERITY_WARN, "firewall.others",
                    "can be reached from outside now and will be closed: %s", buf_text(&names));
    if (!o->close_others)
        finding_fix(all, i, "keep what is needed with%s; or agree with --close-others",
                    buf_text(&flags));
    buf_free(&names);
    buf_free(&flags);
}

static const struct ports_owner *docker_listener(const struct ports_list *listeners)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (listeners->list[i].public_address && others_is_docker(&listeners->list[i]))
            return &listeners->list[i];
    return NULL;
}

static void report_docker(const struct firewall_state *state, const struct ports_list *listeners,
                          struct findings *all)
{
    char owner[320] = "";
    char example[400];
    const struct ports_owner *one = docker_listener(listeners);
    if (!one && !state->facts->docker)
        return;
    translate_print(example, sizeof example, "them");
    if (one)
        translate_print(example, sizeof example, "%u/%s, %s, or others like it",
                        endpoint_port(&one->local), ports_proto_name(one->proto),
                        ports_owner_print(one, owner, sizeof owner));
    size_t i = finding_add(all, SEVERITY_WARN, "firewall.docker",
                           "Docker forwards its published ports before ufw sees them: \"deny "
                           "incoming\" does not cover %s",
                           example);
    finding_fix(all, i, "publish on loopback where that is enough: -p 127.0.0.1:PORT:PORT");
}

static void report_ip6(const struct firewall_state *state, struct findings *all)
{
    const struct firewall_facts *facts = state->facts;
    if (!facts->has_ip6)
        finding_add(all, SEVERITY_OK, "firewall.ipv6.none",
                    "this kernel has no IPv6: only IPv4 is looked at and proven");
    if (!state->ufw_installed || facts->ufw.ipv6 || !facts->has_ip6)
        return;
    size_t i =
        finding_add(all, facts->public_ip6 ? SEVERITY_FAIL : SEVERITY_WARN, "firewall.ipv6.off",
                    "IPV6=no in /etc/default/ufw: an active ufw drops all IPv6, in and out%s",
                    facts->public_ip6 ? ", and this server has a public IPv6 address" : "");
    finding_fix(all, i, "set IPV6=yes in /etc/default/ufw%s",
                state->ufw_active ? ", then: ufw reload" : ", then run again");
}

static void report_forward(const struct firewall_state *state, struct findings *all)
{
    const struct ufw_facts *ufw = &state->facts->ufw;
    if (state->ufw_active || ufw->forward == UFW_POLICY_ALLOW || !state->facts->forwarding)
        return;
    size_t i = finding_add(all, SEVERITY_WARN, "firewall.forward",
                           "this server forwards packets (containers, a VPN or virtual machines?); "
                           "once enabled, ufw drops what its forward rules do not allow");
    finding_fix(
        all, i,
        "if something depends on it: DEFAULT_FORWARD_POLICY=\"ACCEPT\" in /etc/default/ufw, "
        "or ufw route allow rules");
}

void report_surroundings(const struct firewall_options *o, const struct firewall_state *state,
                         const struct ports_list *listeners, struct findings *all)
{
    report_others(o, &state->others, all);
    report_docker(state, listeners, all);
    report_ip6(state, all);
    report_forward(state, all);
}

bool report_guards(const struct firewall_options *o, const struct firewall_facts *facts,
                   struct findings *all)
{
    size_t i;
    if (o->unguarded)
        return true;
    if (!o->rollback || !facts->systemd) {
        i = finding_add(all, SEVERITY_FAIL, "firewall.timer",
                        "no timer can be set that undoes the firewall change should it lock you "
                        "out: %s",
                        facts->systemd ? "derp-setup does not know where it is installed"
                                       : "systemd is not running");
        finding_fix(all, i, "%s; or --firewall=none",
                    facts->systemd ? "apt install --reinstall ./derp-relay_*.deb"
                                   : "boot this server with systemd");
        return false;
    }
    if (!facts->guard_enabled) {
        i = finding_add(all, SEVERITY_FAIL, "firewall.guard",
                        "a firewall change that a reboot cuts off would not be undone: %s is not "
                        "enabled",
                        FIREWALL_GUARD_UNIT);
        finding_fix(all, i, "systemctl enable %s", FIREWALL_GUARD_UNIT);
        return false;
    }
    return true;
}

void report_pending(struct findings *all)
{
    size_t i = finding_add(all, SEVERITY_WARN, "firewall.pending",
                           "an earlier run was cut off in the middle of a firewall change");
    finding_fix(all, i, "derp-setup rollback, or run the setup again, which settles it first");
}

void report_ready(const struct firewall_state *state, size_t first, struct findings *all)
{
    for (size_t i = first; i < all->count; i++)
        if (all->list[i].severity == SEVERITY_FAIL)
            return;
    finding_add(all, SEVERITY_OK, "firewall.ready", "ufw is %s; no other firewall is in the way",
                !state->ufw_installed ? "not installed yet"
                : state->ufw_active   ? "installed and active"
                                      : "installed and inactive");
}
