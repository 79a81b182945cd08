/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "firewall/words.h"

/* The tuple comment belongs to the rules that follow it, up to the next empty line. */
#define TUPLE_MARK "### tuple ### "

struct reader {
    struct rules *all;
    char *tuple; /* pending, or NULL */
    bool skip;   /* inside a table other than filter */
};

/* --- Chains ---------------------------------------------------------------------------------- */

static struct rules_chain *find_chain(const struct rules *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->chains[i].name, name) == 0)
            return &all->chains[i];
    return NULL;
}

const struct rules_chain *rules_chain(const struct rules *all, const char *name)
{
    return find_chain(all, name);
}

static struct rules_chain *want_chain(struct rules *all, const char *name, struct fault *f)
{
    struct rules_chain *chain = find_chain(all, name);
    if (chain)
        return chain;
    if (all->count >= RULES_MAX_CHAINS) {
        fault_set(f, "more than %u chains", RULES_MAX_CHAINS);
        return NULL;
    }
    all->chains = mem_resize(all->chains, all->count + 1, sizeof *all->chains);
    chain = &all->chains[all->count++];
    *chain = (struct rules_chain){.name = mem_strdup(name), .policy = RULES_RETURN};
    return chain;
}

static enum rules_action policy_of(const char *word)
{
    if (strcmp(word, "ACCEPT") == 0)
        return RULES_ACCEPT;
    return strcmp(word, "DROP") == 0 ? RULES_DROP : RULES_RETURN;
}

/* --- Values ---------------------------------------------------------------------------------- */

static bool port_value(const char *s, uint16_t *port)
{
    uint64_t value;
    if (!text_number(s, 0, UINT16_MAX, &value))
        return false;
    *port = (uint16_t)value;
    return true;
}

/* "22", "8000:8010", ":1023", "1024:" or a comma-separated list of those. */
static bool parse_ports(char *list, struct rules_ports *ports)
{
    for (char *rest = list, *item; (item = strsep(&rest, ",")) != NULL;) {
        if (ports->count >= RULES_MAX_RANGES)
            return false;
        uint16_t *low = &ports->low[ports->count];
        uint16_t *high = &ports->high[ports->count];
        char *colon = strchr(item, ':');
        if (colon)
            *colon++ = '\0';
        if (*item == '\0' && colon)
            *low = 0;
        else if (!port_value(item, low))
            return false;
        if (!colon)
            *high = *low;
        else if (*colon == '\0')
            *high = UINT16_MAX;
        else if (!port_value(colon, high))
            return false;
        ports->count++;
    }
    return true;
}

/* "10.0.0.0/8", "::1/128" or a bare address. */
static bool parse_block(char *text, struct rules_block *block)
{
    char *slash = strchr(text, '/');
    uint64_t prefix = 0;
    if (slash)
        *slash++ = '\0';
    if (!endpoint_parse_ip(text, &block->base))
        return false;
    unsigned widest = block->base.any.sa_family == AF_INET ? 32 : 128;
    if (!slash)
        prefix = widest;
    else if (!text_number(slash, 0, widest, &prefix))
        return false;
    block->prefix = (unsigned)prefix;
    if (block->prefix == 0)
        block->base = (struct endpoint){0};
    return true;
}

bool rules_block_holds(const struct rules_block *block, const struct endpoint *address)
{
    if (block->base.any.sa_family == AF_UNSPEC)
        return !block->inverted;
    return endpoint_in(address, &block->base, block->prefix) != block->inverted;
}

static unsigned parse_states(char *list)
{
    unsigned states = 0;
    for (char *rest = list, *item; (item = strsep(&rest, ",")) != NULL;) {
        if (strcmp(item, "NEW") == 0)
            states |= RULES_NEW;
        else if (strcmp(item, "ESTABLISHED") == 0)
            states |= RULES_ESTABLISHED;
        else
            states |= RULES_OTHER_STATE;
    }
    return states;
}

static enum rules_proto parse_proto(const char *word)
{
    if (strcmp(word, "tcp") == 0 || strcmp(word, "6") == 0)
        return RULES_PROTO_TCP;
    if (strcmp(word, "udp") == 0 || strcmp(word, "17") == 0)
        return RULES_PROTO_UDP;
    if (strcmp(word, "all") == 0 || strcmp(word, "0") == 0)
        return RULES_PROTO_ANY;
    return RULES_PROTO_OTHER;
}

/* --- One rule's words --------------------------------------------------------------------------
 */

/* One rule while it is read: words left, and whether a '!' stands before the next option. */
struct line {
    struct rules_rule *rule;
    struct words *words;
    size_t next;
    bool inverted;
};

static char *value(struct line *l)
{
    return l->next < l->words->count ? l->words->list[l->next++] : NULL;
}

static void read_ports(struct line *l, struct rules_ports *ports)
{
    char *text = value(l);
    /* A second port match in one rule would need an "and" of two lists. */
    if (!text || ports->count > 0 || !parse_ports(text, ports))
        l->rule->doubt |= RULES_UNKNOWN;
    ports->inverted = l->inverted;
}

static void read_block(struct line *l, struct rules_block *block)
{
    char *text = value(l);
    block->inverted = l->inverted;
    if (!text || !parse_block(text, block))
        l->rule->doubt |= RULES_UNKNOWN;
}

static void read_interface(struct line *l)
{
    const char *name = value(l);
    if (!name || strlen(name) >= sizeof l->rule->in) {
        l->rule->doubt |= RULES_UNKNOWN;
        return;
    }
    memcpy(l->rule->in, name, strlen(name) + 1);
    l->rule->in_inverted = l->inverted;
}

static void read_states(struct line *l)
{
    char *list = value(l);
    if (!list) {
        l->rule->doubt |= RULES_UNKNOWN;
        return;
    }
    l->rule->states = parse_states(list);
    l->rule->states_inverted = l->inverted;
}

/* addrtype: a packet we judge is for a local address, from somewhere else. */
static void read_dst_type(struct line *l)
{
    const char *type = value(l);
    if (!type || strchr(type, ',')) {
        l->rule->doubt |= RULES_UNKNOWN;
        return;
    }
    if ((strcmp(type, "LOCAL") == 0) == l->inverted)
        l->rule->doubt |= RULES_NEVER;
    l->rule->local_only = true;
}

/* The first packet of a TCP connection carries SYN and no other flag. */
static void read_tcp_flags(struct line *l)
{
    const char *mask = value(l);
    const char *set = value(l);
    if (!mask || !set) {
        l->rule->doubt |= RULES_UNKNOWN;
        return;
    }
    bool syn_in_mask = strstr(mask, "SYN") || strcmp(mask, "ALL") == 0;
    bool matches = strcmp(set, syn_in_mask ? "SYN" : "NONE") == 0;
    if (matches == l->inverted)
        l->rule->doubt |= RULES_NEVER;
}

/* Modules whose options are judged below, that say nothing by themselves. */
static const char *const plain_modules[] = {"tcp",       "udp",     "multiport", "conntrack",
                                            "state",     "comment", "addrtype",  "limit",
                                            "hashlimit", "recent",  NULL};
/* Modules that match no first packet of an ordinary TCP or UDP conversation. */
static const char *const never_modules[] = {"icmp", "icmp6", "ipv6-icmp", "icmpv6", "rt",
                                            "frag", "hbh",   "dst",       "esp",    "ah",
                                            "sctp", "dccp",  NULL};

static bool in_list(const char *const *list, const char *word)
{
    for (; *list; list++)
        if (strcmp(*list, word) == 0)
            return true;
    return false;
}

static void read_module(struct line *l)
{
    const char *name = value(l);
    if (!name || !in_list(plain_modules, name))
        l->rule->doubt |= name && in_list(never_modules, name) ? RULES_NEVER : RULES_UNKNOWN;
    if (name && (strcmp(name, "limit") == 0 || strcmp(name, "hashlimit") == 0))
        l->rule->doubt |= RULES_RATE;
}

static const char *const passing_targets[] = {
    "LOG",     "NFLOG",    "ULOG",   "MARK",     "CONNMARK", "TRACE",       "SET",
    "CT",      "TOS",      "DSCP",   "TTL",      "HL",       "NOTRACK",     "AUDIT",
    "RATEEST", "CHECKSUM", "TCPMSS", "CLASSIFY", "SECMARK",  "CONNSECMARK", NULL};

static void read_target(struct line *l, bool is_goto)
{
    struct rules_rule *rule = l->rule;
    const char *name = value(l);
    l->next = l->words->count; /* the rest are the target's own options */
    if (!name)
        rule->action = RULES_OPAQUE;
    else if (strcmp(name, "ACCEPT") == 0)
        rule->action = RULES_ACCEPT;
    else if (strcmp(name, "DROP") == 0 || strcmp(name, "REJECT") == 0)
        rule->action = RULES_DROP;
    else if (strcmp(name, "RETURN") == 0)
        rule->action = RULES_RETURN;
    else if (in_list(passing_targets, name))
        rule->action = RULES_PASS;
    else {
        rule->action = is_goto ? RULES_GOTO : RULES_JUMP;
        rule->jump = mem_strdup(name);
    }
}

/* Options of known modules that need a look; the rest is in skipped_options. */
static bool read_match(struct line *l, const char *option)
{
    if (strcmp(option, "--dport") == 0 || strcmp(option, "--dports") == 0)
        read_ports(l, &l->rule->ports);
    else if (strcmp(option, "--sport") == 0 || strcmp(option, "--sports") == 0)
        read_ports(l, &l->rule->source_ports);
    else if (strcmp(option, "--ctstate") == 0 || strcmp(option, "--state") == 0)
        read_states(l);
    else if (strcmp(option, "--dst-type") == 0)
        read_dst_type(l);
    else if (strcmp(option, "--tcp-flags") == 0)
        read_tcp_flags(l);
    else if (strcmp(option, "--update") == 0 || strcmp(option, "--rcheck") == 0)
        l->rule->doubt |= RULES_RATE;
    else if (strcmp(option, "--set") == 0 || strcmp(option, "--rsource") == 0)
        return true;
    else if (strcmp(option, "--syn") == 0)
        l->rule->doubt |= l->inverted ? RULES_NEVER : 0;
    else
        return false;
    return true;
}

/* Options with one value that do not change our judgement. */
static const char *const skipped_options[] = {
    "--comment", "--limit",     "--limit-burst", "--seconds", "--hitcount",  "--name",
    "--mask",    "--icmp-type", "--icmpv6-type", "--rt-type", "--hashlimit", "--hl-eq",
    "--ttl-eq",  NULL};

static bool read_basic(struct line *l, const char *option)
{
    const char *word;
    if (strcmp(option, "-p") == 0) {
        word = value(l);
        l->rule->proto = word ? parse_proto(word) : RULES_PROTO_OTHER;
        l->rule->proto_inverted = l->inverted;
    } else if (strcmp(option, "-s") == 0)
        read_block(l, &l->rule->source);
    else if (strcmp(option, "-d") == 0)
        read_block(l, &l->rule->target);
    else if (strcmp(option, "-i") == 0)
        read_interface(l);
    else if (strcmp(option, "-o") == 0)
        value(l); /* packets for us leave by no interface */
    else if (strcmp(option, "-m") == 0)
        read_module(l);
    else if (strcmp(option, "-j") == 0 || strcmp(option, "-g") == 0)
        read_target(l, option[1] == 'g');
    else if (strcmp(option, "-f") == 0)
        l->rule->doubt |= l->inverted ? 0 : RULES_NEVER;
    else
        return false;
    return true;
}

/* Long names, which people write into /etc/ufw/before.rules. */
static const char *const aliases[][2] = {
    {"--protocol", "-p"},
    {"--proto", "-p"},
    {"--source", "-s"},
    {"--src", "-s"},
    {"--destination", "-d"},
    {"--dst", "-d"},
    {"--in-interface", "-i"},
    {"--out-interface", "-o"},
    {"--match", "-m"},
    {"--jump", "-j"},
    {"--goto", "-g"},
    {"--fragment", "-f"},
    {"--destination-port", "--dport"},
    {"--destination-ports", "--dports"},
    {"--source-port", "--sport"},
    {"--source-ports", "--sports"},
};

static const char *short_name(const char *option)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(option, aliases[i][0]) == 0)
            return aliases[i][1];
    return option;
}

static void read_words(struct line *l)
{
    while (l->next < l->words->count) {
        const char *option = short_name(value(l));
        if (strcmp(option, "!") == 0) {
            l->inverted = true;
            continue;
        }
        if (!read_basic(l, option) && !read_match(l, option)) {
            if (in_list(skipped_options, option) || text_starts(option, "--hashlimit-"))
                value(l);
            else
                l->rule->doubt |= RULES_UNKNOWN;
        }
        l->inverted = false;
    }
}

/* Where "-I CHAIN [NUMBER]" wants the rule; *skip: words before its matches. */
static size_t insert_place(const struct words *words, const struct rules_chain *chain, size_t *skip)
{
    uint64_t number;
    if (words->count < 3 || !text_number(words->list[2], 1, UINT16_MAX, &number))
        return 0;
    (*skip)++;
    return number > chain->count ? chain->count : (size_t)number - 1;
}

static bool add_rule(struct reader *r, const char *line, struct words *words, struct fault *f)
{
    size_t skip = 2;
    if (words->count < 2)
        return fault_set(f, "a rule without a chain: %.100s", line);
    if (r->all->rule_count >= RULES_MAX_RULES)
        return fault_set(f, "more than %u rules", RULES_MAX_RULES);
    struct rules_chain *chain = want_chain(r->all, words->list[1], f);
    if (!chain)
        return false;
    bool insert = strcmp(words->list[0], "-I") == 0;
    size_t at = insert ? insert_place(words, chain, &skip) : chain->count;
    chain->rules = mem_resize(chain->rules, chain->count + 1, sizeof *chain->rules);
    struct rules_rule *rule = &chain->rules[at];
    memmove(rule + 1, rule, (chain->count - at) * sizeof *rule);
    *rule = (struct rules_rule){.text = mem_strdup(line), .tuple = mem_strdup(r->tuple)};
    chain->count++;
    r->all->rule_count++;
    struct line l = {.rule = rule, .words = words, .next = skip};
    read_words(&l);
    return true;
}

static void empty_chain(struct rules *all, struct rules_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++) {
        free(chain->rules[i].text);
        free(chain->rules[i].tuple);
        free(chain->rules[i].jump);
    }
    all->rule_count -= chain->count;
    chain->count = 0;
}

/* Of iptables-restore: a user's chain (policy "-") is emptied, even with its option -n. */
static bool add_chain(struct reader *r, const char *name, const char *policy, struct fault *f)
{
    struct rules_chain *chain = want_chain(r->all, name, f);
    if (!chain)
        return false;
    if (policy && strcmp(policy, "-") == 0)
        empty_chain(r->all, chain);
    else if (policy)
        chain->policy = policy_of(policy);
    return true;
}

/* --- Lines -------------------------------------------------------------------------------------
 */

static bool read_command(struct reader *r, const char *line, struct fault *f)
{
    struct words words;
    if (!words_split(line, &words))
        return fault_set(f, "unbalanced quotes: %.100s", line);
    bool ok = true;
    const char *command = words.count > 0 ? words.list[0] : "";
    if (strcmp(command, "-A") == 0 || strcmp(command, "-I") == 0)
        ok = add_rule(r, line, &words, f);
    else if (strcmp(command, "-N") == 0 && words.count == 2)
        ok = add_chain(r, words.list[1], NULL, f);
    else if (strcmp(command, "-P") == 0 && words.count >= 3)
        ok = add_chain(r, words.list[1], words.list[2], f);
    else if (strcmp(command, "-F") == 0 && words.count == 2)
        ok = add_chain(r, words.list[1], "-", f);
    else if (strcmp(command, "-Z") == 0)
        ok = true; /* counters only */
    else if (command[0] == ':' && words.count >= 2)
        ok = add_chain(r, command + 1, words.list[1], f);
    else
        ok = fault_set(f, "not understood: %.100s", line);
    words_free(&words);
    return ok;
}

static bool read_line(struct reader *r, char *line, struct fault *f)
{
    line = text_trim(line);
    if (*line == '\0' || text_starts(line, TUPLE_MARK)) {
        free(r->tuple);
        r->tuple = *line ? mem_strdup(line + strlen(TUPLE_MARK)) : NULL;
        return true;
    }
    if (*line == '#' || strcmp(line, "COMMIT") == 0)
        return true;
    if (*line == '*') {
        r->skip = strcmp(line, "*filter") != 0;
        return true;
    }
    return r->skip || read_command(r, line, f);
}

bool rules_parse(const char *text, struct rules *all, struct fault *f)
{
    struct reader r = {.all = all};
    if (strlen(text) > RULES_MAX_TEXT)
        return fault_set(f, "more than %u bytes of rules", RULES_MAX_TEXT);
    char *copy = mem_strdup(text);
    bool ok = true;
    for (char *rest = copy, *line; ok && (line = strsep(&rest, "\n")) != NULL;)
        ok = read_line(&r, line, f);
    free(r.tuple);
    free(copy);
    return ok;
}

bool rules_append(struct rules *all, const char *line, struct fault *f)
{
    return rules_parse(line, all, f);
}

void rules_free(struct rules *all)
{
    for (size_t i = 0; i < all->count; i++) {
        empty_chain(all, &all->chains[i]);
        free(all->chains[i].rules);
        free(all->chains[i].name);
    }
    free(all->chains);
    *all = (struct rules){0};
}
