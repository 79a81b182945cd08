/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/preflight.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/config_values.h"
#include "base/file.h"
#include "base/text.h"
#include "base/translate.h"
#include "installer/ca.h"
#include "installer/clients.h"
#include "installer/configfile.h"
#include "installer/derpmap.h"
#include "installer/noname.h"
#include "installer/server.h"
#include "installer/stop.h"

#define DNS_POLL_MS      5000
#define ACCOUNT_FILE_MAX 16384
#define ACCOUNTS_MAX     64 /* folders that are looked into */

/* Google, Cloudflare, AliDNS, DNSPod: what clients in and outside mainland China ask. */
#define PUBLIC_RESOLVERS "8.8.8.8 1.1.1.1 223.5.5.5 119.29.29.29"

/* --- Ports -------------------------------------------------------------------------------------
 */

static bool is_ours(const struct ports_owner *owner)
{
    return strcmp(owner->unit, "derpd.service") == 0;
}

/* One endpoint of the config. A foreign listener on another address of the port is no conflict
 * for the kernel, but clients of that address would reach it instead of us. */
static bool check_port(enum ports_proto proto, uint16_t port, const char *what,
                       struct findings *all)
{
    struct ports_list found;
    struct fault f;
    char id[32], owner[256];
    bool fine = true;
    snprintf(id, sizeof id, "ports.%u.taken", port);
    if (findings_get(all, id))
        return false; /* told already: the same port on the other family */
    if (!ports_owner(proto, port, &found, &f)) {
        size_t at =
            finding_add(all, SEVERITY_WARN, "ports.unknown", "who holds %u/%s cannot be read: %s",
                        port, ports_proto_name(proto), f.text);
        finding_fix(all, at, "look yourself: `ss -lntup 'sport = :%u'`", port);
        return false;
    }
    for (size_t i = 0; fine && i < found.count; i++) {
        const struct ports_owner *o = &found.list[i];
        if (is_ours(o))
            continue;
        fine = false;
        size_t at =
            finding_add(all, SEVERITY_FAIL, id, "%u/%s, which %s needs, is held by %s", port,
                        ports_proto_name(proto), what, ports_owner_print(o, owner, sizeof owner));
        if (o->unit[0])
            finding_fix(all, at,
                        "stop it (`systemctl disable --now %s`) or move it to another "
                        "port, then run this again",
                        o->unit);
        else
            finding_fix(all, at, "stop it or move it to another port, then run this again");
    }
    ports_free(&found);
    return fine;
}

static bool check_ports(enum ports_proto proto, const struct config_endpoints *list,
                        const char *what, struct findings *all)
{
    bool fine = true;
    for (size_t i = 0; i < list->count; i++)
        fine &= check_port(proto, endpoint_port(&list->list[i]), what, all);
    return fine;
}

void preflight_ports(struct setup *s, struct findings *all)
{
    const struct config *c = &s->desired.config;
    bool fine = check_ports(PORTS_TCP, &c->listen, "the relay", all);
    fine &= check_ports(PORTS_UDP, &c->stun, "STUN", all);
    fine &= check_ports(PORTS_TCP, &c->http, "the relay", all);
    fine &= check_ports(PORTS_TCP, &c->metrics, "the relay's status page", all);
    if (fine)
        finding_add(all, SEVERITY_OK, "ports.ok", "%u/tcp%s %s", desired_port(c),
                    c->stun.count ? " and the STUN port" : "",
                    s->service_active ? "are the relay's" : "are free");
}

/* A public CA looks at port 443 and nowhere else (RFC 8737 3). */
static void check_challenge_port(struct setup *s, struct findings *all)
{
    const struct config *c = &s->desired.config;
    if (c->source != CONFIG_SOURCE_ACME || c->challenge != CONFIG_CHALLENGE_TLS_ALPN_01)
        return;
    for (size_t i = 0; i < c->listen.count; i++)
        if (endpoint_port(&c->listen.list[i]) == DERPMAP_PORT)
            return;
    bool private_ca = c->acme_ca_file != NULL;
    size_t at = finding_add(all, private_ca ? SEVERITY_WARN : SEVERITY_FAIL, "ports.challenge",
                            "the CA proves the domain on port 443, where this relay would not "
                            "listen");
    finding_fix(all, at,
                "leave --port out, add port 443 to listen in %s, or bring a certificate of "
                "your own (source = files)",
                CONFIG_PATH);
}

/* --- Domain ------------------------------------------------------------------------------------
 */

/* The account of a CA in one of derp-acme's folders; NULL when it is another CA's. free() it. */
static char *account_in(const char *folder, const char *directory)
{
    struct buf text;
    char *path = file_join(folder, "account.json");
    char *account = NULL;
    buf_init(&text, ACCOUNT_FILE_MAX);
    if (file_read(path, &text, NULL))
        account = directory_account(buf_text(&text), directory);
    buf_free(&text);
    free(path);
    return account;
}

/* Of a server that has a certificate already: CAA records may name accounts (RFC 8657). Each CA has
 * a folder of its own; earlier versions had one for all. */
static void read_account(struct setup *s)
{
    const struct config *c = &s->desired.config;
    char *all = file_join(c->cert_dir, "account");
    DIR *dir = c->source == CONFIG_SOURCE_ACME ? opendir(all) : NULL;
    struct dirent *entry;
    free(s->account);
    s->account = dir ? account_in(all, c->acme_directory) : NULL;
    for (int i = 0; dir && !s->account && i < ACCOUNTS_MAX && (entry = readdir(dir)); i++) {
        char *folder = file_join(all, entry->d_name);
        if (entry->d_name[0] != '.')
            s->account = account_in(folder, c->acme_directory);
        free(folder);
    }
    if (dir)
        closedir(dir);
    free(all);
}

static void domain_options(struct setup *s, const struct directory *ca, struct dnscheck_options *o)
{
    const struct config *c = &s->desired.config;
    static const char *const challenges[] = {"tls-alpn-01", "http-01", "dns-01"};
    *o = (struct dnscheck_options){
        .domain = c->domain,
        .root_hints = c->dns_root_hints,
        .trust_anchor = c->dns_trust_anchor,
        .resolver = c->dns_resolver,
        .ip4 = s->ip4,
        .ip6 = s->ip6,
        .no_ipv6 = s->journal.settings.no_ipv6,
        .ca_names = (const char *const *)ca->names,
        .ca_count = c->source == CONFIG_SOURCE_ACME ? ca->count : 0,
        .challenge = c->source == CONFIG_SOURCE_ACME ? challenges[c->challenge] : NULL,
        .account_uri = s->account,
        .stop = stop_flag(),
    };
}

/* Those of the configuration, or the usual ones; none for a private network. */
static void take_resolvers(const struct config *c, struct dnscheck_options *o)
{
    struct config_endpoints list = {.count = 0};
    bool private = c->dns_root_hints || c->dns_resolver.any.sa_family != AF_UNSPEC;
    const char *usual = private ? "off" : PUBLIC_RESOLVERS;
    config_value_endpoints(c->dns_public_resolvers ? c->dns_public_resolvers : usual, 53, &list,
                           NULL);
    for (size_t i = 0; i < list.count && i < DNSCHECK_RESOLVERS_MAX; i++)
        o->resolvers[o->resolver_count++] = list.list[i];
}

/* A CA on the internet connects to this server. */
static bool is_for_public_ca(const struct config *c)
{
    return c->source == CONFIG_SOURCE_ACME && !c->acme_ca_file;
}

void preflight_own(struct setup *s, struct findings *all)
{
    struct dnscheck_options o;
    domain_options(s, &s->ca, &o);
    whereabouts_find(&s->desired.config, s->journal.settings.map4, &o, &s->where);
    whereabouts_judge(&s->where, is_for_public_ca(&s->desired.config), all);
    dnscheck_own(&o, &s->own, all);
}

void preflight_domain(struct setup *s, const struct directory *ca, struct findings *all)
{
    struct dnscheck_options o;
    read_account(s);
    domain_options(s, ca, &o);
    take_resolvers(&s->desired.config, &o);
    if (desired_has_no_domain(&s->desired.config))
        noname_check(s, all);
    else
        dnscheck_domain(&o, &s->own, &s->dns, all);
}

static void check_own_and_domain(struct setup *s, struct findings *all)
{
    preflight_own(s, all);
    preflight_domain(s, &s->ca, all);
}

/* The first of the domain's addresses that is ours, for the derpMap. */
static void remember_address(const struct address_set *records, const struct address_set *ours,
                             const struct endpoint *given, char **setting)
{
    char text[ENDPOINT_TEXT];
    journal_set(setting, NULL);
    if (given->any.sa_family != AF_UNSPEC)
        journal_set(setting, endpoint_print_ip(given, text));
    for (size_t i = 0; !*setting && i < records->count; i++)
        if (ours->count == 0 || address_set_has(ours, &records->list[i]))
            journal_set(setting, endpoint_print_ip(&records->list[i], text));
}

/* No change in the DNS gives this server a public address. */
static bool has_no_address(const struct findings *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].severity == SEVERITY_FAIL && text_starts(all->list[i].id, "address."))
            return true;
    return false;
}

/* Asks until the domain is ready, something else is wrong, or the time is over. */
static void wait_for_domain(struct setup *s, struct findings *all)
{
    int64_t end = clock_mono_ms() + (int64_t)s->opt->wait_dns * 1000;
    char doing[120];
    int polls = 0;
    report_begin(&s->report, "dns", "asking the name servers");
    for (;;) {
        findings_free(all);
        check_own_and_domain(s, all);
        int64_t left = end - clock_mono_ms();
        if (!s->dns.pending || s->dns.ready || !s->opt->wait_dns_given || stop_wanted() ||
            has_no_address(all))
            break;
        s->waited_for_dns = left <= 0;
        if (s->waited_for_dns)
            break;
        translate_print(doing, sizeof doing, "waiting for %s to point here, %lld:%02lld left",
                        s->desired.config.domain, (long long)left / 60000,
                        (long long)left / 1000 % 60);
        /* A plain log needs no countdown every few seconds. */
        if (s->report.style.terminal || polls++ % 12 == 0)
            report_progress(&s->report, doing);
        stop_sleep(left < DNS_POLL_MS ? (int)left : DNS_POLL_MS);
    }
    report_end(&s->report);
}

/* --- Firewall ----------------------------------------------------------------------------------
 */

/* Under --yes nobody looks at the list of ports that will be closed: it must be agreed to. */
static void check_others(struct setup *s, struct findings *all)
{
    char list[400] = "";
    size_t used = 0;
    if (!s->opt->yes || s->opt->close_others || s->firewall_state.others.count == 0)
        return;
    for (size_t i = 0; i < s->firewall_state.others.count && used < sizeof list; i++) {
        const struct ports_owner *o = &s->firewall_state.others.list[i];
        int n = snprintf(list + used, sizeof list - used, "%s%u/%s", used ? "," : "",
                         endpoint_port(&o->local), ports_proto_name(o->proto));
        used += (size_t)n;
    }
    size_t at = finding_add(all, SEVERITY_FAIL, "firewall.others.unanswered",
                            "other services listen on public ports that would be closed, and "
                            "--yes alone does not agree to that");
    finding_fix(all, at, "keep them open with --allow=%s, or close them with --close-others", list);
}

/* What ufw drops once it is enabled (its FORWARD policy) is somebody's network. */
static void check_forward(struct setup *s, struct findings *all)
{
    const char *way = s->firewall_state.forwards;
    if (!s->opt->yes || s->opt->close_others || !way[0])
        return;
    size_t at = finding_add(all, SEVERITY_FAIL, "firewall.forward.unanswered",
                            "this server forwards packets, such as those of %s, which ufw would "
                            "drop, and --yes alone does not agree to that",
                            way);
    finding_fix(all, at,
                "let them pass: DEFAULT_FORWARD_POLICY=\"ACCEPT\" in /etc/default/ufw; or agree "
                "with --close-others");
}

/* ufw would take away the rules that Oracle's images come with. */
static void report_oracle(struct setup *s, struct findings *all)
{
    unsigned tls = desired_port(&s->desired.config), stun = desired_stun_port(&s->desired.config);
    bool none = s->desired.config.stun.count == 0;
    size_t at = finding_add(all, SEVERITY_WARN, "firewall.oracle",
                            "this is a server of Oracle's cloud, whose disks depend on iptables "
                            "rules that ufw would take away: the firewall is left alone "
                            "(--firewall=ufw insists)");
    if (none)
        finding_fix(all, at,
                    "iptables -I INPUT -p tcp --dport %u -j ACCEPT; the same with ip6tables. For "
                    "the next boot put into /etc/iptables/rules.v4 and rules.v6, above the line "
                    "with REJECT: -A INPUT -p tcp -m tcp --dport %u -j ACCEPT",
                    tls, tls);
    else
        finding_fix(all, at,
                    "iptables -I INPUT -p tcp --dport %u -j ACCEPT; iptables -I INPUT -p udp "
                    "--dport %u -j ACCEPT; the same with ip6tables. For the next boot put into "
                    "/etc/iptables/rules.v4 and rules.v6, above the line with REJECT: -A INPUT -p "
                    "tcp -m tcp --dport %u -j ACCEPT and -A INPUT -p udp -m udp --dport %u -j "
                    "ACCEPT",
                    tls, stun, tls, stun);
}

static void check_firewall(struct setup *s, struct findings *all)
{
    if (s->oracle) {
        report_oracle(s, all);
        return;
    }
    if (!s->use_firewall) {
        size_t at = finding_add(all, SEVERITY_WARN, "firewall.none",
                                "the firewall is left alone, as --firewall=none says, now or in "
                                "an earlier run");
        finding_fix(all, at, "make sure that %u/tcp and %u/udp reach this server",
                    desired_port(&s->desired.config), desired_stun_port(&s->desired.config));
        return;
    }
    report_begin(&s->report, "firewall", "reading ufw, the kernel's rules and SSH's ports");
    bool known = firewall_inspect(&s->firewall, &s->firewall_state, all);
    report_end(&s->report);
    if (!known)
        return;
    check_others(s, all);
    check_forward(s, all);
    firewall_plan(&s->firewall, &s->firewall_state, &s->firewall_plan);
}

/* --- All of it ---------------------------------------------------------------------------------
 */

static bool show(struct setup *s, struct findings *found)
{
    report_findings(&s->report, found);
    return !stop_wanted();
}

/* The domain comes last: only when all else is well is it worth waiting for. */
static enum setup_exit check_domain(struct setup *s)
{
    struct findings found = {0};
    bool others_failed = findings_worst(&s->report.findings) == SEVERITY_FAIL;
    bool asked = s->opt->wait_dns_given;
    if (asked && others_failed) {
        check_own_and_domain(s, &found);
        show(s, &found);
        return EXIT_PREFLIGHT;
    }
    wait_for_domain(s, &found);
    bool failed = findings_worst(&found) == SEVERITY_FAIL;
    if (!show(s, &found))
        return EXIT_INTERRUPTED;
    if (failed && s->waited_for_dns && !others_failed)
        return EXIT_DNS;
    return failed || others_failed ? EXIT_PREFLIGHT : EXIT_DONE;
}

enum setup_exit preflight_run(struct setup *s)
{
    struct findings found = {0};
    report_title(&s->report, "Checking (nothing is changed yet)");
    server_check(&found);
    findings_move(&found, &s->early);
    if (!show(s, &found))
        return EXIT_INTERRUPTED;
    preflight_ports(s, &found);
    check_challenge_port(s, &found);
    clients_ask(&s->desired.config, &found);
    if (!findings_get(&found, "clients.keys")) /* derpd would say the same again */
        configfile_check(s, &found);
    if (!show(s, &found))
        return EXIT_INTERRUPTED;
    check_firewall(s, &found);
    if (!show(s, &found))
        return EXIT_INTERRUPTED;
    report_begin(&s->report, "ca", s->desired.config.acme_directory);
    ca_check(&s->desired.config, &s->ca, &found);
    report_end(&s->report);
    if (!show(s, &found))
        return EXIT_INTERRUPTED;
    enum setup_exit code = check_domain(s);
    if (code != EXIT_DONE)
        return code;
    remember_address(&s->dns.a, &s->own.public.ip4, &s->ip4, &s->journal.settings.map4);
    remember_address(&s->dns.aaaa, &s->own.public.ip6, &s->ip6, &s->journal.settings.map6);
    return EXIT_DONE;
}
