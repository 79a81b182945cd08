/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/inspect.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/apt.h"
#include "firewall/foreign.h"
#include "firewall/kernel.h"
#include "firewall/report.h"
#include "firewall/surroundings.h"
#include "firewall/transaction.h"
#include "firewall/ufw.h"

static bool is_stopped(const struct firewall_options *o)
{
    return o->stop && *o->stop;
}

static void publish(struct firewall_state *state)
{
    const struct firewall_facts *facts = state->facts;
    state->ufw_active = facts->ufw.status.active;
    state->ufw_at_boot = facts->ufw.enabled && (!facts->systemd || facts->unit_enabled);
    state->ssh_session = facts->ssh.session;
    state->ssh = facts->ssh.ports.list;
    state->ssh_count = facts->ssh.ports.count;
}

static bool read_ufw(const struct firewall_options *o, struct firewall_state *state,
                     struct findings *all)
{
    struct fault f;
    state->ufw_installed = ufw_installed();
    if (!state->ufw_installed || ufw_read(&state->facts->ufw, o->stop, &f))
        return true;
    if (is_stopped(o))
        return false;
    size_t i = finding_add(all, SEVERITY_FAIL, "firewall.ufw.unreadable",
                           "ufw's state cannot be read: %s", f.text);
    finding_fix(all, i, "ufw status verbose; if its files are broken: ufw reset");
    return false;
}

/* Without ufw there may be no iptables either: then it has no rules. */
static bool read_kernel(const struct firewall_state *state, struct findings *all)
{
    struct fault f;
    if (kernel_read(state->facts, &f) || !state->ufw_installed)
        return true;
    size_t i = finding_add(all, SEVERITY_FAIL, "firewall.kernel.unreadable",
                           "the kernel's firewall rules cannot be read: %s", f.text);
    finding_fix(all, i, "iptables -S; ip6tables -S");
    return false;
}

bool inspect_read(const struct firewall_options *o, struct firewall_state *state,
                  struct ports_list *listeners, struct findings *all)
{
    struct sockets sockets;
    struct fault f;
    *state = (struct firewall_state){.facts = mem_alloc(1, sizeof *state->facts)};
    surroundings_read(state->facts);
    bool ok = sockets_read(&sockets, &f);
    if (ok) {
        ssh_read(o, &sockets, &state->facts->ssh, all);
        if (listeners)
            ports_from_sockets(&sockets, listeners);
    } else {
        finding_add(all, SEVERITY_FAIL, "firewall.ssh.unknown", "%s", f.text);
    }
    sockets_free(&sockets);
    ok = ok && !is_stopped(o) && read_ufw(o, state, all) && !is_stopped(o) &&
         read_kernel(state, all) && !is_stopped(o);
    publish(state);
    return ok;
}

static void find_others(const struct firewall_options *o, const struct ports_list *listeners,
                        struct firewall_state *state)
{
    struct wanted_list wanted;
    struct others_range range = surroundings_ephemeral();
    wanted_make(o, state->ssh, state->ssh_count, &wanted);
    others_find(listeners, &wanted, state->facts, &range, &state->others);
    wanted_free(&wanted);
}

/* An active ufw has its rules for forwarding already. */
static void find_forwarded(struct firewall_state *state)
{
    const struct firewall_facts *facts = state->facts;
    if (!state->ufw_active && facts->ufw.forward != UFW_POLICY_ALLOW && facts->forwarding)
        memcpy(state->forwards, facts->forwarded, sizeof state->forwards);
}

/* Published ports are rewritten and forwarded, so neither ufw's rules nor a listener tell of them.
 */
static bool docker_forwards(void)
{
    static const char *const argv[] = {"iptables", "-t", "nat", "-S", "DOCKER", NULL};
    struct buf b;
    buf_init(&b, RULES_MAX_TEXT);
    bool found = kernel_ask(argv, &b) && strstr(buf_text(&b), "-j DNAT");
    buf_free(&b);
    return found;
}

bool firewall_inspect(const struct firewall_options *o, struct firewall_state *state,
                      struct findings *all)
{
    struct ports_list listeners = {0};
    size_t before = all->count;
    bool ok = inspect_read(o, state, &listeners, all);
    if (ok) {
        find_others(o, &listeners, state);
        find_forwarded(state);
        report_ssh(state, all);
        state->facts->foreign = foreign_check(state->facts, all);
        if (!state->ufw_installed && !state->facts->foreign)
            state->facts->apt_update = apt_ask(o->stop, all) == APT_NEEDS_LISTS;
        state->facts->docker = docker_forwards();
        report_rules(o, state, all);
        report_surroundings(o, state, &listeners, all);
        report_guards(o, state->facts, all);
        if (firewall_pending(o))
            report_pending(all);
        ok = !is_stopped(o);
    }
    if (ok)
        report_ready(state, before, all);
    ports_free(&listeners);
    return ok;
}

void firewall_state_free(struct firewall_state *state)
{
    ports_free(&state->others);
    if (state->facts) {
        ufw_facts_free(&state->facts->ufw);
        ssh_free(&state->facts->ssh);
        for (int i = 0; i < FAMILIES; i++)
            rules_free(&state->facts->kernel[i]);
        free(state->facts);
    }
    *state = (struct firewall_state){0};
}
