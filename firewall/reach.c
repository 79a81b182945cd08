/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/reach.h"

#include <string.h>

const char *family_name(enum family family)
{
    return family == FAMILY_IP4 ? "IPv4" : "IPv6";
}

const char *family_user_chain(enum family family)
{
    return family == FAMILY_IP4 ? "ufw-user-input" : "ufw6-user-input";
}

static struct walk_packet packet_for(const struct firewall_facts *facts, const struct wanted *w)
{
    return (struct walk_packet){.proto = w->at.proto,
                                .port = w->at.port,
                                .in = facts->interface[0] ? facts->interface : NULL};
}

static enum reach reach_of(enum walk_verdict verdict, bool falls)
{
    switch (verdict) {
    case WALK_OPEN:
        return REACH_OPEN;
    case WALK_LIMITED:
        return REACH_LIMITED;
    case WALK_PARTLY:
        return REACH_PARTLY;
    case WALK_THROUGH:
        return REACH_MISSING;
    case WALK_RESTRICTED:
        return falls ? REACH_MISSING : REACH_DENIED;
    case WALK_CLOSED:
        break;
    }
    return REACH_DENIED;
}

static bool is_family(const struct endpoint *e, enum family family)
{
    return e->any.sa_family == (family == FAMILY_IP4 ? AF_INET : AF_INET6);
}

/*
 * An SSH port that ufw's owner opened to some sources only stays so, when that can lock nobody
 * out: ufw is at work with these rules already, or somebody is logged in by this port and
 * everybody who is comes from such a source.
 */
static bool is_restricted(const struct firewall_facts *facts, const struct rules *table,
                          const char *chain, enum family family, const struct wanted *w)
{
    const struct rules_chain *user = rules_chain(table, family_user_chain(family));
    bool some = false;
    for (size_t i = 0; user && i < user->count; i++) {
        const struct rules_rule *rule = &user->rules[i];
        bool named = rule->source.base.any.sa_family != AF_UNSPEC || rule->in[0] != '\0';
        struct walk_packet p = {.proto = w->at.proto, .port = w->at.port};
        p.source = rule->source.base;
        some = some || (named && rule->action != RULES_DROP && rule->action != RULES_PASS &&
                        walk_rule_matches(rule, &p));
    }
    if (!some)
        return false;
    size_t peers = 0;
    for (size_t i = 0; i < facts->ssh.peer_count; i++) {
        const struct ssh_peer *peer = &facts->ssh.peers[i];
        if (!is_family(&peer->remote, family) || endpoint_port(&peer->local) != w->at.port ||
            endpoint_is_loopback(&peer->remote))
            continue;
        struct walk_packet p = packet_for(facts, w);
        p.source = peer->remote;
        p.target = peer->local;
        enum walk_verdict verdict = walk(table, chain, &p).verdict;
        if (verdict != WALK_OPEN && verdict != WALK_LIMITED)
            return false;
        peers++;
    }
    return facts->ufw.status.active || peers > 0;
}

static struct reach_result judge(const struct firewall_facts *facts, const struct rules *table,
                                 const char *chain, enum family family, const struct wanted *w)
{
    struct walk_packet p = packet_for(facts, w);
    struct walk_result walked = walk(table, chain, &p);
    struct reach_result result = {.reach = reach_of(walked.verdict, walked.falls),
                                  .rule = walked.drops};
    if (w->kind == WANTED_SSH && !reach_suffices(result.reach) &&
        is_restricted(facts, table, chain, family, w))
        result.reach = REACH_RESTRICTED;
    return result;
}

struct reach_result reach_by_ufw(const struct firewall_facts *facts, enum family family,
                                 const struct wanted *w)
{
    /* ufw hangs the user's rules behind the last of before.rules. */
    const char *chain = family == FAMILY_IP4 ? "ufw-before-input" : "ufw6-before-input";
    return judge(facts, &facts->ufw.files[family], chain, family, w);
}

struct reach_result reach_by_table(const struct firewall_facts *facts, const struct rules *table,
                                   enum family family, const struct wanted *w)
{
    return judge(facts, table, "INPUT", family, w);
}

bool reach_suffices(enum reach reach)
{
    return reach <= REACH_RESTRICTED;
}
