/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/translate.h"

static void fail(struct findings *all, const char *id, const char *fix, const char *what)
{
    size_t i = finding_add(all, SEVERITY_FAIL, id, "%s", what);
    finding_fix(all, i, "%s", fix);
}

static bool check_status(const struct firewall_state *state, struct findings *all)
{
    if (!state->ufw_installed || !state->ufw_active) {
        fail(all, "firewall.readback", "derp-setup DOMAIN",
             state->ufw_installed ? "ufw is installed, but not active: nothing protects this server"
                                  : "ufw is not installed: nothing protects this server");
        return false;
    }
    bool ok = true;
    const struct ufw_facts *ufw = &state->facts->ufw;
    if (ufw->incoming != UFW_POLICY_DENY && ufw->incoming != UFW_POLICY_REJECT) {
        fail(all, "firewall.policy", "ufw default deny incoming",
             "ufw lets in whatever no rule forbids; incoming traffic should be denied by default");
        ok = false;
    }
    if (ufw->outgoing != UFW_POLICY_ALLOW) {
        fail(all, "firewall.policy", "ufw default allow outgoing",
             "ufw stops outgoing traffic by default; the relay would not reach its clients");
        ok = false;
    }
    if (!state->ufw_at_boot) {
        fail(all, "firewall.boot", "ufw --force enable && systemctl enable ufw",
             "ufw is active now, but will not be after a reboot");
        ok = false;
    }
    return ok;
}

bool verify_port(const struct firewall_facts *facts, const struct rules *table, enum family family,
                 const struct wanted *w, struct findings *all)
{
    char port[WANTED_TEXT];
    struct reach_result result = reach_by_table(facts, table, family, w);
    const char *rule = result.rule ? result.rule->text : N_("the default policy");
    wanted_print(&w->at, port);
    if (!reach_suffices(result.reach)) {
        size_t i = finding_add(all, SEVERITY_FAIL, "firewall.readback",
                               "%s (%s) would not be let in over %s: %s comes first", port,
                               wanted_name(w->kind), family_name(family), rule);
        finding_fix(all, i,
                    "ufw status numbered; %s -S INPUT. If rules of /etc/ufw/before.rules are in "
                    "the way, take them out; if the kernel lacks rules that ufw has: ufw reload",
                    family == FAMILY_IP4 ? "iptables" : "ip6tables");
        return false;
    }
    if (result.reach == REACH_PARTLY) {
        size_t i = finding_add(all, SEVERITY_WARN, "firewall.rule.partly",
                               "some %s packets to %s (%s) may be dropped: %s", family_name(family),
                               port, wanted_name(w->kind), rule);
        finding_fix(all, i, "look whether this rule is meant for the relay's clients, too");
    }
    return true;
}

static bool check_table(const struct firewall_state *state, enum family family,
                        const struct wanted_list *wanted, struct findings *all)
{
    const struct rules *table = &state->facts->kernel[family];
    const struct rules_chain *input = rules_chain(table, "INPUT");
    bool ok = true;
    if (!input || input->policy != RULES_DROP) {
        size_t i = finding_add(all, SEVERITY_FAIL, "firewall.readback",
                               "the kernel's %s policy for incoming packets is not DROP, although "
                               "ufw says it is active",
                               family_name(family));
        finding_fix(all, i, "ufw reload; and look for another program that changes the rules");
        ok = false;
    }
    for (size_t i = 0; i < wanted->count; i++)
        ok = verify_port(state->facts, table, family, &wanted->list[i], all) && ok;
    return ok;
}

static void report_ok(const struct firewall_state *state, const struct wanted_list *wanted,
                      bool both, struct findings *all)
{
    struct buf b;
    char port[WANTED_TEXT];
    buf_init(&b, 64U << 10);
    for (size_t i = 0; i < wanted->count; i++)
        translate_buf(&b, "%s%s", i ? N_(", ") : "", wanted_print(&wanted->list[i].at, port));
    finding_add(all, SEVERITY_OK, "firewall.ok",
                "ufw is active: %s incoming, allow outgoing; %s reach ACCEPT in %s",
                ufw_policy_name(state->facts->ufw.incoming), buf_text(&b),
                both ? "IPv4 and IPv6" : "IPv4");
    buf_free(&b);
}

bool firewall_verify(const struct firewall_options *o, const struct firewall_state *state,
                     struct findings *all)
{
    struct wanted_list wanted;
    if (!check_status(state, all))
        return false;
    wanted_make(o, state->ssh, state->ssh_count, &wanted);
    /* With IPV6=no all IPv6 is dropped; whether that matters, inspection has said. */
    bool both = state->facts->has_ip6 && state->facts->ufw.ipv6;
    bool ok = check_table(state, FAMILY_IP4, &wanted, all);
    if (both)
        ok = check_table(state, FAMILY_IP6, &wanted, all) && ok;
    if (ok)
        report_ok(state, &wanted, both, all);
    wanted_free(&wanted);
    return ok;
}

bool verify_files(const struct firewall_options *o, const struct firewall_state *state,
                  struct findings *all)
{
    struct wanted_list wanted;
    bool ok = true;
    wanted_make(o, state->ssh, state->ssh_count, &wanted);
    for (int family = 0; family < FAMILIES; family++)
        for (size_t i = 0; i < wanted.count; i++) {
            if (family == FAMILY_IP6 && !state->facts->ufw.ipv6)
                continue;
            ok = verify_port(state->facts, &state->facts->ufw.files[family], (enum family)family,
                             &wanted.list[i], all) &&
                 ok;
        }
    wanted_free(&wanted);
    return ok;
}
