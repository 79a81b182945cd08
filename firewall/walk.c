/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/walk.h"

#include <string.h>

#include "base/text.h"

/* The kernel refuses loops and deep nesting; text from elsewhere may have both. */
#define MAX_DEPTH 32
#define MAX_STEPS 200000U

/* Does a rule match the packet? In order of doubt. */
enum match { MATCH_YES, MATCH_RATE, MATCH_MAYBE, MATCH_NO };

/* What may become of the packet; several at once when rules are in doubt. */
#define OUT_ACCEPT 1U
#define OUT_DROP   2U  /* for certain */
#define OUT_LIMIT  4U  /* above a rate */
#define OUT_UNSURE 8U  /* by a rule in doubt */
#define OUT_FALL   16U /* goes on after the chain */

struct walker {
    const struct rules *all;
    const struct walk_packet *packet;
    struct walk_result *result;
    bool drop_is_certain; /* of result->drops */
    unsigned steps;
};

/* --- Matching one rule --------------------------------------------------------------------- */

static enum match worse(enum match a, enum match b)
{
    return a > b ? a : b;
}

static enum match yes_or_no(bool yes)
{
    return yes ? MATCH_YES : MATCH_NO;
}

static enum match match_proto(const struct rules_rule *rule, const struct walk_packet *p)
{
    enum rules_proto ours = p->proto == PORTS_TCP ? RULES_PROTO_TCP : RULES_PROTO_UDP;
    bool same = rule->proto == RULES_PROTO_ANY || rule->proto == ours;
    return yes_or_no(same != rule->proto_inverted);
}

static enum match match_ports(const struct rules_ports *ports, uint16_t port)
{
    if (ports->count == 0)
        return MATCH_YES;
    bool in = false;
    for (size_t i = 0; i < ports->count; i++)
        in = in || (port >= ports->low[i] && port <= ports->high[i]);
    return yes_or_no(in != ports->inverted);
}

/* The client's port is some port above 1023. */
static enum match match_source_ports(const struct rules_ports *ports)
{
    if (ports->count == 0)
        return MATCH_YES;
    bool some = false;
    for (size_t i = 0; i < ports->count; i++) {
        if (ports->low[i] <= 1024 && ports->high[i] == UINT16_MAX)
            return yes_or_no(!ports->inverted);
        some = some || ports->high[i] >= 1024;
    }
    if (!some || ports->count > 1 || ports->low[0] == ports->high[0])
        return yes_or_no(ports->inverted);
    return MATCH_MAYBE;
}

static enum match match_source(const struct rules_block *block, const struct walk_packet *p)
{
    if (block->base.any.sa_family == AF_UNSPEC)
        return yes_or_no(!block->inverted);
    if (p->source.any.sa_family != AF_UNSPEC)
        return yes_or_no(rules_block_holds(block, &p->source));
    /* Blocks as large as a good part of the internet single nobody out. */
    if (block->prefix < (block->base.any.sa_family == AF_INET ? 8U : 20U))
        return MATCH_MAYBE;
    return yes_or_no(block->inverted);
}

/* Addresses that a packet to us never has: multicast, broadcast, loopback. */
static bool is_special(const struct endpoint *e)
{
    if (endpoint_is_loopback(e))
        return true;
    if (e->any.sa_family == AF_INET6)
        return e->in6.sin6_addr.s6_addr[0] == 0xff;
    return ntohl(e->in4.sin_addr.s_addr) >= 0xe0000000U;
}

static enum match match_target(const struct rules_block *block, const struct walk_packet *p)
{
    if (block->base.any.sa_family == AF_UNSPEC)
        return yes_or_no(!block->inverted);
    if (p->target.any.sa_family != AF_UNSPEC)
        return yes_or_no(rules_block_holds(block, &p->target));
    if (is_special(&block->base))
        return yes_or_no(block->inverted);
    return MATCH_MAYBE;
}

static enum match match_interface(const struct rules_rule *rule, const struct walk_packet *p)
{
    if (rule->in[0] == '\0')
        return yes_or_no(!rule->in_inverted);
    if (strcmp(rule->in, "lo") == 0)
        return yes_or_no(rule->in_inverted);
    if (!p->in)
        return MATCH_MAYBE;
    size_t n = strlen(rule->in);
    bool same = rule->in[n - 1] == '+' ? strncmp(rule->in, p->in, n - 1) == 0
                                       : strcmp(rule->in, p->in) == 0;
    return yes_or_no(same != rule->in_inverted);
}

static enum match match_rule(const struct rules_rule *rule, const struct walk_packet *p)
{
    if (rule->doubt & RULES_NEVER)
        return MATCH_NO;
    enum match m = MATCH_YES;
    if (rule->doubt & RULES_UNKNOWN)
        m = MATCH_MAYBE;
    else if (rule->doubt & RULES_RATE)
        m = MATCH_RATE;
    if (rule->states)
        m = worse(m, yes_or_no(!!(rule->states & RULES_NEW) != rule->states_inverted));
    m = worse(m, match_proto(rule, p));
    m = worse(m, match_ports(&rule->ports, p->port));
    m = worse(m, match_source_ports(&rule->source_ports));
    m = worse(m, match_source(&rule->source, p));
    m = worse(m, match_target(&rule->target, p));
    return worse(m, match_interface(rule, p));
}

/* --- Following the chains -------------------------------------------------------------------- */

static unsigned drop(struct walker *w, const struct rules_rule *rule, enum match m)
{
    bool certain = m == MATCH_YES;
    if (!w->result->drops || (certain && !w->drop_is_certain)) {
        w->result->drops = rule;
        w->drop_is_certain = certain;
    }
    if (certain)
        return OUT_DROP;
    return m == MATCH_RATE ? OUT_LIMIT : OUT_UNSURE;
}

static unsigned follow(struct walker *w, const struct rules_chain *chain, enum match context,
                       unsigned depth);

/* What the target of a matching rule does; OUT_FALL when the packet goes on behind it. */
static unsigned target(struct walker *w, const struct rules_rule *rule, enum match m,
                       unsigned depth)
{
    const struct rules_chain *next;
    switch (rule->action) {
    case RULES_ACCEPT:
        if (!w->result->accepts)
            w->result->accepts = rule;
        return OUT_ACCEPT;
    case RULES_DROP:
        return drop(w, rule, m);
    case RULES_JUMP:
    case RULES_GOTO:
        next = rules_chain(w->all, rule->jump);
        if (next)
            return follow(w, next, m, depth + 1);
        return drop(w, rule, MATCH_MAYBE) | OUT_FALL;
    case RULES_OPAQUE:
        return drop(w, rule, MATCH_MAYBE) | OUT_FALL;
    case RULES_PASS:
    case RULES_RETURN:
        break;
    }
    return OUT_FALL;
}

static unsigned follow(struct walker *w, const struct rules_chain *chain, enum match context,
                       unsigned depth)
{
    unsigned out = 0;
    if (depth > MAX_DEPTH)
        return OUT_UNSURE | OUT_FALL;
    for (size_t i = 0; i < chain->count; i++) {
        const struct rules_rule *rule = &chain->rules[i];
        if (++w->steps > MAX_STEPS)
            return out | OUT_UNSURE | OUT_FALL;
        enum match own = match_rule(rule, w->packet);
        if (own == MATCH_NO)
            continue;
        bool leaves = rule->action == RULES_RETURN || rule->action == RULES_GOTO;
        unsigned after = target(w, rule, worse(context, own), depth);
        out |= leaves ? after : after & ~OUT_FALL;
        if (own == MATCH_YES && (leaves || !(after & OUT_FALL)))
            return out;
    }
    return out | OUT_FALL;
}

static enum walk_verdict judge(unsigned out)
{
    if (out == OUT_FALL)
        return WALK_THROUGH;
    if (!(out & OUT_ACCEPT))
        return out & OUT_FALL && !(out & OUT_DROP) ? WALK_THROUGH : WALK_CLOSED;
    if (out & (OUT_DROP | OUT_FALL))
        return WALK_RESTRICTED;
    if (out & OUT_UNSURE)
        return WALK_PARTLY;
    return out & OUT_LIMIT ? WALK_LIMITED : WALK_OPEN;
}

struct walk_result walk(const struct rules *all, const char *name, const struct walk_packet *p)
{
    struct walk_result result = {.verdict = WALK_THROUGH};
    struct walker w = {.all = all, .packet = p, .result = &result};
    const struct rules_chain *chain = rules_chain(all, name);
    if (!chain)
        return result;
    unsigned out = follow(&w, chain, MATCH_YES, 0);
    if (out & OUT_FALL && chain->policy != RULES_RETURN) {
        out &= ~OUT_FALL;
        out |= chain->policy == RULES_ACCEPT ? OUT_ACCEPT : OUT_DROP;
    }
    result.verdict = judge(out);
    result.falls = out & OUT_FALL;
    return result;
}

bool walk_rule_matches(const struct rules_rule *rule, const struct walk_packet *p)
{
    return match_rule(rule, p) != MATCH_NO;
}

const char *walk_verdict_name(enum walk_verdict verdict)
{
    static const char *const names[] = {"open",       "limited", "partly open",
                                        "restricted", "closed",  "undecided"};
    return names[verdict];
}
