/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/foreign.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/translate.h"
#include "firewall/kernel.h"
#include "firewall/nft.h"
#include "firewall/systemd.h"

/* --- Judging (pure) ------------------------------------------------------------------------------
 */

static bool has_prefix(const char *const *prefixes, const char *name)
{
    for (; *prefixes; prefixes++)
        if (text_starts(name, *prefixes))
            return true;
    return false;
}

static bool is_harmless_jump(const struct rules_rule *rule)
{
    static const char *const prefixes[] = {
        "ufw-",   "ufw6-",    "ts-",   "f2b-", "fail2ban", "sshguard", "CROWDSEC", "crowdsec",
        "DOCKER", "LIBVIRT_", "KUBE-", "CNI-", "cali-",    "FLANNEL",  "NETAVARK", NULL};
    return (rule->action == RULES_JUMP || rule->action == RULES_GOTO) &&
           has_prefix(prefixes, rule->jump);
}

char *foreign_rules(const struct rules *table, bool ufw_active)
{
    static const char *const chains[] = {"INPUT", "OUTPUT"};
    for (size_t i = 0; i < 2; i++) {
        const struct rules_chain *chain = rules_chain(table, chains[i]);
        if (chain && chain->policy == RULES_DROP && !ufw_active)
            return translate_new("the policy of chain %s is DROP while ufw is inactive", chains[i]);
    }
    const struct rules_chain *input = rules_chain(table, "INPUT");
    for (size_t i = 0; input && i < input->count; i++)
        if (!is_harmless_jump(&input->rules[i]))
            return translate_new("the rule \"%s\" is not ufw's", input->rules[i].text);
    return NULL;
}

enum foreign_chain foreign_nft_chain(const struct nft_chain *chain, bool legacy)
{
    static const char *const harmless[] = {
        "f2b-", "crowdsec", "sshguard", "docker",   "libvirt_", "wg-quick-", "tailscale",
        "lxc",  "lxd",      "incus",    "netavark", "kube-",    "fail2ban",  NULL};
    bool acts = chain->policy_drop || (chain->drops && chain->rules > 0);
    if (has_prefix(harmless, chain->table) || !acts)
        return FOREIGN_NONE;
    if (nft_chain_is_iptables(chain)) {
        if (strcmp(chain->table, "filter") == 0)
            return legacy ? FOREIGN_YES : FOREIGN_NONE; /* foreign_rules has seen it */
        return FOREIGN_PERHAPS;
    }
    if (strcmp(chain->hook, "input") == 0 || chain->policy_drop)
        return FOREIGN_YES;
    return FOREIGN_PERHAPS;
}

/* --- Asking ------------------------------------------------------------------------------------
 */

static void report(struct findings *all, const char *id, const char *what, const char *fix)
{
    size_t i = finding_add(all, SEVERITY_FAIL, id,
                           "another firewall is at work: %s. Its rules come before ufw's, so "
                           "nothing was changed",
                           what);
    finding_fix(all, i, "%s", fix);
}

static bool check_firewalld(const struct firewall_facts *facts, struct findings *all)
{
    if (!facts->systemd || (!systemd_active("firewalld") && !systemd_enabled("firewalld")))
        return false;
    report(all, "firewall.foreign.firewalld", "firewalld is running or starts at boot",
           "either keep it and open the ports there (firewall-cmd --permanent "
           "--add-port=443/tcp --add-port=3478/udp && firewall-cmd --reload), then run again with "
           "--firewall=none; or let ufw take over: systemctl disable --now firewalld");
    return true;
}

/* The service flushes all rules when it starts, ufw's included, and loads its own. */
static bool check_nftables_service(const struct firewall_facts *facts, struct findings *all)
{
    if (!facts->systemd || (!systemd_active("nftables") && !systemd_enabled("nftables")))
        return false;
    report(all, "firewall.foreign.nftables",
           "nftables.service is running or starts at boot and loads /etc/nftables.conf",
           "either keep it and allow 443/tcp and 3478/udp in /etc/nftables.conf, then run again "
           "with --firewall=none; or let ufw take over: systemctl disable --now nftables && nft "
           "flush ruleset");
    return true;
}

static bool check_persistent(const struct firewall_facts *facts, struct findings *all)
{
    bool found = file_exists("/usr/sbin/netfilter-persistent") ||
                 (facts->systemd && systemd_enabled("netfilter-persistent"));
    if (!found)
        return false;
    report(all, "firewall.foreign.persistent",
           "netfilter-persistent (iptables-persistent) loads rules at boot, and cannot be "
           "installed together with ufw",
           "either keep it and allow 443/tcp and 3478/udp in /etc/iptables/rules.v4 and rules.v6, "
           "then run again with --firewall=none; or, unless your provider depends on these rules "
           "(Oracle Cloud does): apt-get remove iptables-persistent netfilter-persistent");
    return true;
}

static bool check_chains(const struct nft_chains *chains, bool legacy, struct findings *all)
{
    bool found = false;
    for (size_t i = 0; i < chains->count; i++) {
        const struct nft_chain *c = &chains->list[i];
        enum foreign_chain kind = foreign_nft_chain(c, legacy);
        if (kind == FOREIGN_NONE)
            continue;
        size_t at = finding_add(
            all, kind == FOREIGN_YES ? SEVERITY_FAIL : SEVERITY_WARN, "firewall.foreign.nftables",
            "nftables table %s %s has a chain \"%s\" on hook %s %s; it acts on packets whatever "
            "ufw says",
            c->family, c->table, c->name, c->hook,
            c->policy_drop ? "with policy drop" : "with rules that drop packets");
        finding_fix(all, at,
                    kind == FOREIGN_YES ? "look at it: nft list table %s %s; if it is not needed: "
                                          "nft delete table %s %s; if it is, allow 443/tcp and "
                                          "3478/udp there and run again with --firewall=none"
                                        : "look at it: nft list table %s %s",
                    c->family, c->table, c->family, c->table);
        found = found || kind == FOREIGN_YES;
    }
    return found;
}

static bool check_nft(bool legacy, struct findings *all)
{
    struct buf b;
    struct fault f;
    struct nft_chains chains;
    buf_init(&b, 64U << 20);
    bool found = false;
    if (!nft_list_json(&b, &f) || !nftjson_parse(buf_text(&b), &chains, &f)) {
        size_t i = finding_add(all, SEVERITY_WARN, "firewall.foreign.unreadable",
                               "the kernel's nftables rules could not be read (%s), so rules that "
                               "stand before ufw's would not be noticed",
                               f.text);
        finding_fix(all, i, "nft list ruleset");
    } else {
        found = check_chains(&chains, legacy, all);
        nft_chains_free(&chains);
    }
    buf_free(&b);
    return found;
}

static bool check_table(const struct rules *table, const char *program, bool ufw_active,
                        struct findings *all)
{
    char *what = foreign_rules(table, ufw_active);
    if (!what)
        return false;
    size_t i = finding_add(all, SEVERITY_FAIL, "firewall.foreign.iptables",
                           "another firewall is at work: of what `%s -S` lists, %s. Such rules "
                           "come before ufw's, so nothing was changed",
                           program, what);
    finding_fix(all, i,
                "either keep these rules, allow 443/tcp and 3478/udp there and run again with "
                "--firewall=none; or find out what sets them, remove it, and flush them: "
                "%s -P INPUT ACCEPT && %s -F INPUT",
                program, program);
    free(what);
    return true;
}

/* The other kind of iptables keeps its rules where the usual one does not see them. */
static bool check_legacy(struct findings *all)
{
    static const char *const programs[] = {"iptables-legacy", "ip6tables-legacy"};
    static const char *const names[] = {"/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"};
    struct buf b;
    bool found = false;
    buf_init(&b, RULES_MAX_TEXT);
    for (size_t i = 0; i < 2; i++) {
        const char *const argv[] = {programs[i], "-S", NULL};
        struct rules table = {0};
        /* Asking would create the table where there is none. */
        if (!file_read(names[i], &b, NULL) || !strstr(buf_text(&b), "filter"))
            continue;
        if (kernel_ask(argv, &b) && rules_parse(buf_text(&b), &table, NULL))
            found = check_table(&table, programs[i], false, all) || found;
        rules_free(&table);
    }
    buf_free(&b);
    return found;
}

bool foreign_check(const struct firewall_facts *facts, struct findings *all)
{
    static const char *const programs[FAMILIES] = {"iptables", "ip6tables"};
    bool nft = kernel_uses_nft();
    bool active = facts->ufw.status.active;
    bool found = check_firewalld(facts, all);
    /* firewalld's own tables would only be said twice. */
    if (found)
        return true;
    found = check_nftables_service(facts, all);
    found = check_persistent(facts, all) || found;
    for (int i = 0; i < FAMILIES; i++) {
        /* With IPV6=no ufw closes IPv6 by rules of its own in the kernel's chains. */
        if (i == FAMILY_IP6 && active && !facts->ufw.ipv6)
            continue;
        found = check_table(&facts->kernel[i], programs[i], active, all) || found;
    }
    found = (nft && check_legacy(all)) || found;
    return check_nft(!nft, all) || found;
}
