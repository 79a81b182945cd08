/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "firewall/apt.h"
#include "firewall/kernel.h"
#include "firewall/reach.h"
#include "firewall/ssh.h"
#include "firewall/surroundings.h"
#include "firewall/ufw.h"

/* --- Does SSH depend on it? ----------------------------------------------------------------------
 */

/* The port of "ufw allow PORT/tcp comment …", a rule as the plan makes them. */
static bool port_of(const char *detail, struct wanted *w)
{
    static const char start[] = "ufw allow ";
    char port[WANTED_TEXT];
    if (!text_starts(detail, start))
        return false;
    snprintf(port, sizeof port, "%.*s", (int)strcspn(detail + strlen(start), " "),
             detail + strlen(start));
    w->kind = WANTED_SSH;
    return firewall_port_parse(port, &w->at, NULL) && w->at.proto == PORTS_TCP;
}

/* Takes the rule out of what ufw would load, by the line in which ufw says what it stands for. */
static void leave_out(struct firewall_facts *facts, enum family family, const struct wanted *w)
{
    const char *any = family == FAMILY_IP4 ? "0.0.0.0/0" : "::/0";
    const struct rules_chain *user =
        rules_chain(&facts->ufw.files[family], family_user_chain(family));
    char *ours = mem_printf("allow tcp %u %s any %s in", w->at.port, any, any);
    for (size_t i = 0; user && i < user->count; i++) {
        const char *tuple = user->rules[i].tuple;
        /* "in_eth0" is of one interface only, and somebody else's. */
        if (tuple && text_starts(tuple, ours) && tuple[strlen(ours)] != '_')
            user->rules[i].action = RULES_PASS;
    }
    free(ours);
}

static bool is_closed_without(struct firewall_facts *facts, const struct wanted *w)
{
    bool closed = false;
    for (int i = 0; i < FAMILIES; i++) {
        enum family family = (enum family)i;
        const struct rules *files = &facts->ufw.files[family];
        if (family == FAMILY_IP6 && !facts->ufw.ipv6)
            continue;
        bool open = reach_suffices(reach_by_table(facts, files, family, w).reach);
        leave_out(facts, family, w);
        closed = closed || (open && reach_by_table(facts, files, family, w).reach > REACH_PARTLY);
    }
    return closed;
}

/* Ports that sshd will use after its next restart count, too. */
static bool is_of_ssh(const struct firewall_options *o, const struct wanted *w, bool *is,
                      struct firewall_facts *facts, struct fault *f)
{
    struct sockets sockets;
    struct findings found = {0};
    bool ok = sockets_read(&sockets, f);
    if (ok)
        ssh_read(o, &sockets, &facts->ssh, &found);
    *is = ok && ssh_ports_has(&facts->ssh.ports, w->at.port);
    sockets_free(&sockets);
    findings_free(&found);
    return ok;
}

static bool look_at_ssh(const struct firewall_options *o, const char *detail, bool *needed,
                        struct fault *f)
{
    struct firewall_facts facts = {0};
    struct wanted w;
    bool is;
    *needed = false;
    if (!port_of(detail, &w))
        return true;
    surroundings_read(&facts);
    bool ok = ufw_read(&facts.ufw, o->stop, f);
    if (ok && facts.ufw.status.active) {
        ok = is_of_ssh(o, &w, &is, &facts, f);
        *needed = ok && is && is_closed_without(&facts, &w);
    }
    ufw_facts_free(&facts.ufw);
    ssh_free(&facts.ssh);
    return ok;
}

/* --- What has become of it -----------------------------------------------------------------------
 */

static bool look_at_rule(const struct firewall_options *o, const char *detail,
                         enum firewall_since *since, struct fault *f)
{
    struct ufw_rules rules;
    bool needed = false;
    bool ok = ufw_read_added(&rules, o->stop, f);
    const struct ufw_rule *rule = ok ? ufw_rules_find(&rules, detail) : NULL;
    *since = !rule                             ? FIREWALL_SINCE_GONE
             : strcmp(rule->text, detail) == 0 ? FIREWALL_SINCE_SAME
                                               : FIREWALL_SINCE_OTHERS;
    ufw_rules_free(&rules);
    if (ok && *since == FIREWALL_SINCE_SAME)
        ok = look_at_ssh(o, detail, &needed, f);
    if (needed)
        *since = FIREWALL_SINCE_NEEDED;
    return ok;
}

/* detail: "ufw default POLICY DIRECTION". */
static bool look_at_policy(const char *detail, enum firewall_since *since, struct fault *f)
{
    struct ufw_facts ufw = {0};
    char wanted[64];
    if (!ufw_read_settings(&ufw, f))
        return false;
    bool incoming = strstr(detail, " incoming") != NULL;
    snprintf(wanted, sizeof wanted, "ufw default %s %s",
             ufw_policy_name(incoming ? ufw.incoming : ufw.outgoing),
             incoming ? "incoming" : "outgoing");
    *since = strcmp(wanted, detail) == 0 ? FIREWALL_SINCE_SAME : FIREWALL_SINCE_OTHERS;
    return true;
}

/* detail: "FORWARD IPv4". Whoever opened it since, or has no iptables any more, has his reasons. */
static bool look_at_forward(const char *detail, enum firewall_since *since, struct fault *f)
{
    struct ufw_facts ufw = {0};
    enum family family = strstr(detail, family_name(FAMILY_IP6)) ? FAMILY_IP6 : FAMILY_IP4;
    if (!kernel_has(family) || !kernel_installed())
        *since = FIREWALL_SINCE_GONE;
    else if (ufw_installed() && !ufw_read_settings(&ufw, f))
        return false;
    else if (ufw.forward == UFW_POLICY_ALLOW)
        *since = FIREWALL_SINCE_OTHERS;
    return true;
}

/* A unit is enabled, too, and is none of ufw's business. */
static bool is_of_ufw(const char *what, const char *detail)
{
    static const char *const kinds[] = {"rule", "default", "boot"};
    bool found = strcmp(what, "enable") == 0 && text_starts(detail, "ufw ");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        found = found || strcmp(what, kinds[i]) == 0;
    return found;
}

bool firewall_since(const struct firewall_options *o, const char *what, const char *detail,
                    enum firewall_since *since, struct fault *f)
{
    bool gone = is_of_ufw(what, detail) && !ufw_installed();
    *since = gone ? FIREWALL_SINCE_GONE : FIREWALL_SINCE_SAME;
    if (gone)
        return true;
    if (strcmp(what, "rule") == 0)
        return look_at_rule(o, detail, since, f);
    if (strcmp(what, "forward") == 0)
        return look_at_forward(detail, since, f);
    return strcmp(what, "default") != 0 || look_at_policy(detail, since, f);
}

char *firewall_purge(const char *undo, const volatile int *stop, struct fault *f)
{
    const char *verb = text_starts(undo, APT_REMOVE " ") ? APT_REMOVE : APT_PURGE;
    if (!text_starts(undo, verb) || undo[strlen(verb)] != ' ') {
        fault_set(f, "not a command of derp-setup's");
        return NULL;
    }
    char *names = apt_unneeded(undo + strlen(verb) + 1, stop, f);
    char *command = names && *names ? mem_printf("%s %s", verb, names) : names;
    if (command != names)
        free(names);
    return command;
}
