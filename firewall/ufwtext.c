/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/ufwtext.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "firewall/words.h"

#define MAX_RULES 20000U

/* --- Status ------------------------------------------------------------------------------------
 */

enum ufw_policy ufw_policy_parse(const char *word)
{
    static const struct {
        const char *word;
        enum ufw_policy policy;
    } words[] = {{"allow", UFW_POLICY_ALLOW},   {"deny", UFW_POLICY_DENY},
                 {"reject", UFW_POLICY_REJECT}, {"ACCEPT", UFW_POLICY_ALLOW},
                 {"DROP", UFW_POLICY_DENY},     {"REJECT", UFW_POLICY_REJECT}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i].word) == 0)
            return words[i].policy;
    return UFW_POLICY_UNKNOWN;
}

const char *ufw_policy_name(enum ufw_policy policy)
{
    static const char *const names[] = {"unknown", "allow", "deny", "reject"};
    return names[policy];
}

/* " deny (incoming)": the policy where its direction is the given one. */
static void read_default(char *item, const char *direction, enum ufw_policy *policy)
{
    item = text_trim(item);
    char *blank = strchr(item, ' ');
    if (!blank || strcmp(blank + 1, direction) != 0)
        return;
    *blank = '\0';
    *policy = ufw_policy_parse(item);
    *blank = ' ';
}

static void read_defaults(char *list, struct ufw_status *status)
{
    for (char *item; (item = strsep(&list, ",")) != NULL;) {
        read_default(item, "(incoming)", &status->incoming);
        read_default(item, "(outgoing)", &status->outgoing);
    }
}

bool ufw_parse_status(const char *text, struct ufw_status *status, struct fault *f)
{
    bool known = false;
    *status = (struct ufw_status){0};
    char *copy = mem_strdup(text);
    for (char *rest = copy, *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (strcmp(line, "Status: active") == 0)
            known = status->active = true;
        else if (strcmp(line, "Status: inactive") == 0)
            known = true;
        else if (text_starts(line, "Default: "))
            read_defaults(line + strlen("Default: "), status);
    }
    free(copy);
    if (!known)
        return fault_set(f, "`ufw status` says neither active nor inactive: %.200s", text);
    if (status->active && (!status->incoming || !status->outgoing))
        return fault_set(f, "`ufw status verbose` does not tell the default policies");
    return true;
}

/* --- Rules -------------------------------------------------------------------------------------
 */

/* One rule while it is read, word by word. */
struct reader {
    struct words words;
    size_t next;
    struct ufw_rule *rule;
};

static const char *peek(const struct reader *r)
{
    return r->next < r->words.count ? r->words.list[r->next] : "";
}

static bool accept_word(struct reader *r, const char *word)
{
    if (strcmp(peek(r), word) != 0)
        return false;
    r->next++;
    return true;
}

static char *take(struct reader *r)
{
    return r->next < r->words.count ? mem_strdup(r->words.list[r->next++]) : NULL;
}

static bool set_once(char **field, char *value)
{
    if (*field || !value) {
        free(value);
        return false;
    }
    *field = value;
    return true;
}

static bool read_action(struct reader *r)
{
    static const char *const names[] = {"allow", "deny", "reject", "limit"};
    r->rule->incoming = !accept_word(r, "route");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (accept_word(r, names[i])) {
            r->rule->action = (enum ufw_action)i;
            return true;
        }
    return false;
}

/* "[in [on IF]] [out [on IF]] [log|log-all]" */
static void read_direction(struct reader *r)
{
    for (;;) {
        bool in = accept_word(r, "in");
        bool out = !in && accept_word(r, "out");
        if (!in && !out)
            break;
        if (out)
            r->rule->incoming = false;
        if (accept_word(r, "on")) {
            r->rule->any_source = false;
            free(take(r));
        }
    }
    if (!accept_word(r, "log"))
        accept_word(r, "log-all");
}

/* What follows "from" or "to": an address, then perhaps a port or a profile. */
static bool read_side(struct reader *r, bool *any, char **ports, char **app)
{
    char *address = take(r);
    if (!address)
        return false;
    if (strcmp(address, "any") != 0)
        *any = false;
    free(address);
    if (accept_word(r, "port"))
        return set_once(ports, take(r));
    if (accept_word(r, "app"))
        return set_once(app, take(r));
    return true;
}

static bool read_full(struct reader *r)
{
    struct ufw_rule *rule = r->rule;
    char *source_app = NULL;
    bool ok = true;
    while (ok && r->next < r->words.count) {
        if (accept_word(r, "from"))
            ok = read_side(r, &rule->any_source, &rule->source_ports, &source_app);
        else if (accept_word(r, "to"))
            ok = read_side(r, &rule->any_target, &rule->ports, &rule->app);
        else if (accept_word(r, "proto"))
            ok = set_once(&rule->proto, take(r));
        else if (accept_word(r, "comment"))
            ok = set_once(&rule->comment, take(r));
        else
            ok = false;
    }
    if (source_app)
        rule->any_source = false;
    free(source_app);
    return ok;
}

/* "22", "22/tcp", "80,443/tcp", or the name of a profile. */
static void read_short(struct ufw_rule *rule, char *target)
{
    char *slash = strchr(target, '/');
    size_t digits = strspn(target, "0123456789,:");
    if (digits == 0 || (target[digits] != '\0' && target + digits != slash)) {
        rule->app = target;
        return;
    }
    rule->ports = target;
    if (slash) {
        *slash = '\0';
        rule->proto = mem_strdup(slash + 1);
    }
}

static bool read_rule(const char *line, struct ufw_rule *rule)
{
    struct reader r = {.rule = rule};
    if (!words_split(line, &r.words))
        return false;
    rule->any_source = rule->any_target = true;
    bool ok = accept_word(&r, "ufw") && read_action(&r);
    if (ok) {
        static const char *const full[] = {"from", "to", "proto", "comment", ""};
        bool is_full = false;
        read_direction(&r);
        for (size_t i = 0; i < sizeof full / sizeof *full; i++)
            is_full = is_full || strcmp(peek(&r), full[i]) == 0;
        if (!is_full)
            read_short(rule, take(&r));
        ok = read_full(&r);
    }
    words_free(&r.words);
    return ok;
}

static void free_rule(struct ufw_rule *rule)
{
    free(rule->text);
    free(rule->app);
    free(rule->ports);
    free(rule->source_ports);
    free(rule->proto);
    free(rule->comment);
}

bool ufw_parse_added(const char *text, struct ufw_rules *rules, struct fault *f)
{
    bool ok = true;
    *rules = (struct ufw_rules){0};
    char *copy = mem_strdup(text);
    for (char *rest = copy, *line; ok && (line = strsep(&rest, "\n")) != NULL;) {
        if (!text_starts(line, "ufw "))
            continue; /* the heading, "(None)" */
        if (rules->count >= MAX_RULES) {
            ok = fault_set(f, "more than %u rules", MAX_RULES);
            break;
        }
        rules->list = mem_resize(rules->list, rules->count + 1, sizeof *rules->list);
        struct ufw_rule *rule = &rules->list[rules->count++];
        *rule = (struct ufw_rule){.text = mem_strdup(line)};
        rule->understood = read_rule(line, rule);
    }
    free(copy);
    if (!ok)
        ufw_rules_free(rules);
    return ok;
}

void ufw_rules_free(struct ufw_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        free_rule(&rules->list[i]);
    free(rules->list);
    *rules = (struct ufw_rules){0};
}

/* Is the port in "22", "80,443" or "8000:8010"? */
static bool list_has(const char *list, uint16_t port)
{
    bool found = false;
    char *copy = mem_strdup(list);
    for (char *rest = copy, *item; !found && (item = strsep(&rest, ",")) != NULL;) {
        uint64_t low, high;
        char *colon = strchr(item, ':');
        if (colon)
            *colon++ = '\0';
        found = text_number(item, 0, UINT16_MAX, &low) &&
                text_number(colon ? colon : item, 0, UINT16_MAX, &high) && port >= low &&
                port <= high;
    }
    free(copy);
    return found;
}

bool ufw_rule_matches(const struct ufw_rule *rule, enum ports_proto proto, uint16_t port)
{
    if (!rule->understood || !rule->incoming || rule->app || rule->source_ports)
        return false;
    if (rule->proto && strcmp(rule->proto, ports_proto_name(proto)) != 0)
        return false;
    return !rule->ports || list_has(rule->ports, port);
}

/* How long the command is without its comment. */
static size_t bare_length(const char *command)
{
    const char *comment = strstr(command, " comment '");
    return comment ? (size_t)(comment - command) : strlen(command);
}

const struct ufw_rule *ufw_rules_find(const struct ufw_rules *rules, const char *command)
{
    size_t n = bare_length(command);
    for (size_t i = 0; i < rules->count; i++) {
        const char *text = rules->list[i].text;
        if (bare_length(text) == n && strncmp(text, command, n) == 0)
            return &rules->list[i];
    }
    return NULL;
}

/* The next line that is a rule as ufw remembers it, from *at on; its length is 0 after the last. */
static size_t next_tuple(const char **at)
{
    while (**at) {
        size_t n = strcspn(*at, "\n");
        if (text_starts(*at, "### tuple ###"))
            return n;
        *at += n + ((*at)[n] == '\n');
    }
    return 0;
}

bool ufw_same_rules(const char *a, const char *b)
{
    for (;;) {
        size_t n = next_tuple(&a), m = next_tuple(&b);
        if (n != m || strncmp(a, b, n) != 0)
            return false;
        if (n == 0)
            return true;
        a += n;
        b += n;
    }
}
