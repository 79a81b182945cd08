/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/translate.h"
#include "installer/values.h"
#include "installer/wrap.h"

/* Which verbs a flag belongs to. */
#define V(verb)     (1u << (verb))
#define V_SETUP     V(VERB_SETUP)
#define V_PREFLIGHT (V_SETUP | V(VERB_CHECK))
#define V_CHANGES   (V_SETUP | V(VERB_RENEW) | V(VERB_UNINSTALL) | V(VERB_CONFIRM) | V(VERB_ROLLBACK))
#define V_ASKS      (V_SETUP | V(VERB_UNINSTALL))
#define V_ALL       (~0u)

struct verb_row {
    enum verb verb;
    const char *word; /* NULL: the domain itself */
    bool takes_domain;
    const char *help;
};

static const struct verb_row verbs[] = {
    {VERB_SETUP, NULL, true, N_("set up this server as a relay for DOMAIN, or repair it")},
    {VERB_CHECK, "check", true, N_("only the checks that come first; changes nothing")},
    {VERB_STATUS, "status", false, N_("is it running, how long is the certificate valid")},
    {VERB_DOCTOR, "doctor", false, N_("check everything again, with a fix for what is wrong")},
    {VERB_MAP, "map", false, N_("print the derpMap for the tailnet policy file")},
    {VERB_RENEW, "renew", false, N_("renew the certificate if it is due")},
    {VERB_CONFIRM, "confirm", false, N_("keep a firewall change that an earlier run left pending")},
    {VERB_ROLLBACK, "rollback", false, N_("take a pending firewall change back")},
    {VERB_UNINSTALL, "uninstall", false, N_("undo what setting up has changed")},
};
#define VERB_COUNT (sizeof verbs / sizeof *verbs)

static const struct verb_row *verb_row(enum verb verb)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (verbs[i].verb == verb)
            return &verbs[i];
    return &verbs[0];
}

const char *verb_name(enum verb verb)
{
    const char *word = verb_row(verb)->word;
    return word ? word : N_("set up");
}

/* --- The table of flags ------------------------------------------------------------------------
 */

typedef bool (*value_parser)(const char *value, struct options *o, struct fault *f);

struct flag_row {
    char letter; /* 0: only the long form */
    const char *name;
    unsigned verbs;
    const char *value; /* its name in --help; NULL: a switch */
    value_parser take; /* with value */
    size_t offset;     /* without: the bool to set */
    bool optional;     /* both: its value may be left out, and comes after "=" only */
    const char *help;  /* NULL: starts a heading named by name */
};

#define SWITCH(letter, name, verbs, field, help)                                                   \
    {                                                                                              \
        letter, name, verbs, NULL, NULL, offsetof(struct options, field), false, help              \
    }
#define VALUE(name, verbs, value, take, help)                                                      \
    {                                                                                              \
        0, name, verbs, value, take, 0, false, help                                                \
    }
#define OPTIONAL(name, verbs, value, take, field, help)                                            \
    {                                                                                              \
        0, name, verbs, value, take, offsetof(struct options, field), true, help                   \
    }
#define HEADING(text)                                                                              \
    {                                                                                              \
        0, text, 0, NULL, NULL, 0, false, NULL                                                     \
    }

static const struct flag_row flags[] = {
    HEADING("How it runs"),
    SWITCH('n', "dry-run", V_ASKS, dry_run, "show what would be done, change nothing"),
    SWITCH('y', "yes", V_ASKS, yes, "answer yes to the questions; never overrides a failed check"),
    SWITCH(0, "no-input", V_ASKS, no_input, "never ask; without --yes a question ends the run"),
    SWITCH(0, "json", V_ALL, json, "one JSON object on standard output at the end"),
    SWITCH('q', "quiet", V_ALL, quiet, "only warnings, failures and the result"),
    SWITCH('v', "verbose", V_ALL, verbose, "also what the programs it starts say"),
    SWITCH(0, "plain", V_ALL, plain, "nothing redrawn: for serial lines and screen readers"),
    SWITCH(0, "no-color", V_ALL, no_color, "no colours (so does NO_COLOR in the environment)"),
    VALUE("log-file", V_CHANGES, "FILE", take_log_file, "default /var/log/derp-setup.log"),
    HEADING("This server"),
    VALUE("ip4", V_PREFLIGHT, "ADDRESS", take_ip4,
          "its public IPv4 address, when behind NAT (auto: find out)"),
    VALUE("ip6", V_PREFLIGHT, "ADDRESS", take_ip6, "its public IPv6 address (auto: find out)"),
    SWITCH(0, "no-ipv6", V_PREFLIGHT, no_ipv6, "serve IPv4 only"),
    OPTIONAL("ip", V_PREFLIGHT, "ADDRESS", take_ip, ip,
             "no domain: the relay's name is its public IPv4 address"),
    VALUE("wait-dns", V_PREFLIGHT, "TIME", take_wait_dns,
          "wait for the domain to point here, e.g. 10m; then exit 4"),
    VALUE("public-resolvers", V_PREFLIGHT, "LIST", take_public_resolvers,
          "whose caches are looked at, or off (8.8.8.8, 1.1.1.1, …)"),
    VALUE("address-from", V_PREFLIGHT, "LIST", take_address_from,
          "who tells the public address: stun:HOST:PORT, https://…, or off"),
    HEADING("Firewall"),
    VALUE("firewall", V_PREFLIGHT, "ufw|none", take_firewall, "none: leave the firewall alone"),
    VALUE("ssh-port", V_PREFLIGHT, "P[,P]", take_ssh_port, "SSH ports beside those found"),
    VALUE("allow", V_PREFLIGHT, "P/PROTO[,…]", take_allow, "keep this port open, e.g. 9090/tcp"),
    SWITCH(0, "close-others", V_PREFLIGHT, close_others,
           "with --yes: agree that other listening ports are closed"),
    VALUE("confirm-timeout", V_SETUP, "TIME", take_confirm_timeout,
          "how long a firewall change waits for a new login (3m); 0: never waits"),
    HEADING("Relay"),
    VALUE("port", V_PREFLIGHT, "P", take_port, "TCP port for TLS (443)"),
    VALUE("stun-port", V_PREFLIGHT, "P", take_stun_port, "UDP port for STUN (3478)"),
    VALUE("uplink", V_SETUP, "RATE", take_uplink, "purchased bandwidth, e.g. 4mbit; or off"),
    VALUE("clients", V_SETUP, "WHO", take_clients,
          "who may use it: anyone, tailscaled, url:https://…, keys:/FILE"),
    VALUE("region-id", V_SETUP | V(VERB_MAP), "N", take_region_id, "900 to 999 (900)"),
    VALUE("region-code", V_SETUP | V(VERB_MAP), "CODE", take_region_code,
          "short name of the region (from the domain)"),
    VALUE("region-name", V_SETUP | V(VERB_MAP), "NAME", take_region_name,
          "name of the region (the domain)"),
    HEADING("Certificate"),
    VALUE("certificate", V_PREFLIGHT, "acme|self-signed", take_certificate,
          "from a CA, or its own with a fingerprint in the derpMap"),
    VALUE("email", V_SETUP, "ADDRESS", take_email, "given to the CA for notices"),
    SWITCH(0, "staging", V_PREFLIGHT, staging,
           "Let's Encrypt's test CA; clients will not trust its certificates"),
    VALUE("acme-directory", V_PREFLIGHT, "URL", take_acme_directory, "another CA's directory"),
    VALUE("acme-ca-file", V_PREFLIGHT, "FILE", take_acme_ca_file, "trust for that CA's own HTTPS"),
    VALUE("acme-challenge", V_PREFLIGHT, "NAME", take_acme_challenge,
          "tls-alpn-01 (the default), http-01 (opens port 80) or dns-01"),
    VALUE("acme-profile", V_PREFLIGHT, "NAME", take_acme_profile, "a profile that the CA offers"),
    VALUE("acme-preferred-chain", V_PREFLIGHT, "NAME", take_acme_preferred_chain,
          "the root to lead to, where the CA offers several"),
    VALUE("acme-eab-key-id", V_PREFLIGHT, "ID", take_acme_eab_key_id,
          "account binding, where the CA asks for one"),
    VALUE("acme-eab-key-file", V_PREFLIGHT, "FILE", take_acme_eab_key_file, "its key"),
    VALUE("acme-dns-hook", V_PREFLIGHT, "FILE", take_acme_dns_hook,
          "the program that changes the DNS for dns-01"),
    VALUE("acme-hook", V_PREFLIGHT, "FILE", take_acme_hook,
          "a program that is told: renewed, failed, paused, expiring"),
    VALUE("acme-fallback-directory", V_PREFLIGHT, "URL", take_acme_fallback_directory,
          "a second CA, for when the first one fails"),
    VALUE("acme-fallback-ca-file", V_PREFLIGHT, "FILE", take_acme_fallback_ca_file,
          "trust for its own HTTPS"),
    VALUE("acme-fallback-eab-key-id", V_PREFLIGHT, "ID", take_acme_fallback_eab_key_id,
          "account binding of the second CA"),
    VALUE("acme-fallback-eab-key-file", V_PREFLIGHT, "FILE", take_acme_fallback_eab_key_file,
          "its key"),
    SWITCH(0, "force", V(VERB_RENEW), force, "renew although it is not due"),
    HEADING("Private networks"),
    VALUE("dns-root-hints", V_PREFLIGHT, "FILE", take_dns_root_hints, "root name servers"),
    VALUE("dns-trust-anchor", V_PREFLIGHT, "FILE", take_dns_trust_anchor, "for DNSSEC"),
    VALUE("dns-resolver", V_PREFLIGHT, "ADDRESS", take_dns_resolver,
          "ask this server instead of the root"),
    HEADING("status, doctor"),
    SWITCH(0, "watch", V(VERB_STATUS), watch, "show it again every two seconds, until Ctrl-C"),
    VALUE("report", V(VERB_DOCTOR), "FILE", take_report,
          "also write all that helps others to help, without secrets"),
    HEADING("map, uninstall"),
    VALUE("format", V(VERB_MAP), "FORMAT", take_format, "tailscale (JSON) or headscale (YAML)"),
    SWITCH(0, "next", V(VERB_MAP), next, "with the fingerprint that the relay will have next"),
    SWITCH(0, "purge", V(VERB_UNINSTALL), purge, "also delete keys and certificates"),
    VALUE("confirm", V(VERB_UNINSTALL), "DOMAIN", take_confirm,
          "agree to --purge without being asked"),
};
#define FLAG_COUNT (sizeof flags / sizeof *flags)

static const struct flag_row *find_long(const char *name, size_t n)
{
    for (size_t i = 0; i < FLAG_COUNT; i++)
        if (flags[i].help && strlen(flags[i].name) == n && memcmp(flags[i].name, name, n) == 0)
            return &flags[i];
    return NULL;
}

static const struct flag_row *find_letter(char letter)
{
    for (size_t i = 0; i < FLAG_COUNT; i++)
        if (flags[i].letter == letter)
            return &flags[i];
    return NULL;
}

/* --- Parsing -----------------------------------------------------------------------------------
 */

#define SEE_HELP "; `derp-setup --help` lists what there is"

/* Remote or mistyped text in messages: printable, and not longer than a line. */
static const char *shown(const char *s, char *text, size_t cap)
{
    text_printable(s, strlen(s), text, cap);
    return text;
}

struct parse {
    struct options *o;
    struct fault *f;
    bool used[FLAG_COUNT];
    bool verb_given;
    enum options_result early; /* OPTIONS_HELP or OPTIONS_VERSION once seen, else OPTIONS_RUN */
};

static bool wrong_value(struct parse *p, const struct flag_row *row, const char *value,
                        const struct fault *why)
{
    char text[80];
    return fault_set(p->f, "--%s=%s: %s" SEE_HELP, row->name, shown(value, text, sizeof text),
                     why->text);
}

static bool apply_flag(struct parse *p, const struct flag_row *row, const char *value)
{
    struct fault why = {.text = ""};
    p->used[row - flags] = true;
    if (!row->value || !value) {
        *(bool *)((char *)p->o + row->offset) = true;
        return true;
    }
    if (!row->take(value, p->o, &why))
        return wrong_value(p, row, value, &why);
    return true;
}

/* "--name=value" or "--name" (then *next is its value and *taken is set). */
static bool parse_long(struct parse *p, const char *word, const char *next, bool *taken)
{
    char text[80];
    const char *name = word + 2;
    const char *equals = strchr(name, '=');
    size_t n = equals ? (size_t)(equals - name) : strlen(name);
    if (strcmp(name, "help") == 0 || strcmp(name, "version") == 0) {
        p->early = name[0] == 'h' ? OPTIONS_HELP : OPTIONS_VERSION;
        return true;
    }
    const struct flag_row *row = find_long(name, n);
    if (!row)
        return fault_set(p->f, "%s: no such flag" SEE_HELP, shown(word, text, sizeof text));
    if (!row->value && equals)
        return fault_set(p->f, "--%s takes no value" SEE_HELP, row->name);
    if (!row->value || (row->optional && !equals))
        return apply_flag(p, row, NULL);
    if (equals)
        return apply_flag(p, row, equals + 1);
    if (!next || text_starts(next, "--"))
        return fault_set(p->f, "--%s: its value is missing, write --%s=%s" SEE_HELP, row->name,
                         row->name, row->value);
    *taken = true;
    return apply_flag(p, row, next);
}

/* "-n", or several letters as in "-nv". Flags with letters are all switches. */
static bool parse_letters(struct parse *p, const char *word)
{
    char text[80];
    for (const char *c = word + 1; *c; c++) {
        if (*c == 'h' || *c == 'V') {
            p->early = *c == 'h' ? OPTIONS_HELP : OPTIONS_VERSION;
            continue;
        }
        const struct flag_row *row = find_letter(*c);
        if (!row)
            return fault_set(p->f, "%s: no such flag" SEE_HELP, shown(word, text, sizeof text));
        if (!apply_flag(p, row, NULL))
            return false;
    }
    return true;
}

static bool take_domain(struct parse *p, const char *word)
{
    char text[160];
    const char *why = N_("not a host name");
    shown(word, text, sizeof text);
    if (p->o->domain[0])
        return fault_set(p->f, "%s: one domain is enough, %s was given already" SEE_HELP, text,
                         p->o->domain);
    for (const char *s = word; *s; s++)
        if ((unsigned char)*s >= 0x80)
            return fault_set(p->f,
                             "%s: give an internationalised domain in its xn-- form, as the CA "
                             "will see it (`idn2 DOMAIN` prints it): derp-setup xn--….demo.com",
                             text);
    if (strstr(word, "://") || strpbrk(word, "/:"))
        return fault_set(p->f,
                         "%s: only the host name is wanted, without scheme, port or path, "
                         "e.g. derp-setup derp.demo.com",
                         text);
    if (strlen(word) >= OPTIONS_DOMAIN || !text_is_hostname(word, &why))
        return fault_set(p->f,
                         "%s is not a domain a CA could certify: %s; give the relay's host name, "
                         "e.g. derp-setup derp.demo.com, or --ip if it has none",
                         text, why);
    text_lower(word, p->o->domain, sizeof p->o->domain);
    return true;
}

/* A word with a dot is a domain; verbs have none. */
static bool take_word(struct parse *p, const char *word)
{
    char text[80];
    if (p->verb_given && !verb_row(p->o->verb)->takes_domain)
        return fault_set(p->f, "%s: `derp-setup %s` takes no further word" SEE_HELP,
                         shown(word, text, sizeof text), verb_name(p->o->verb));
    for (size_t i = 0; !p->verb_given && !p->o->domain[0] && i < VERB_COUNT; i++) {
        if (!verbs[i].word || strcmp(verbs[i].word, word) != 0)
            continue;
        p->o->verb = verbs[i].verb;
        p->verb_given = true;
        return true;
    }
    if (!strpbrk(word, ".:/"))
        return fault_set(p->f, "“%s” is neither a verb nor a domain (a domain has a dot)" SEE_HELP,
                         shown(word, text, sizeof text));
    return take_domain(p, word);
}

/* What can only be judged once everything is read. */
static bool check_together(struct parse *p)
{
    const struct options *o = p->o;
    const struct verb_row *verb = verb_row(o->verb);
    if (verb->takes_domain && !o->domain[0] && !o->ip)
        return fault_set(
            p->f,
            "the relay's domain is missing: derp-setup %s%sderp.demo.com; without one: "
            "--ip" SEE_HELP,
            verb->word ? verb->word : "", verb->word ? " " : "");
    if (o->ip && (o->domain[0] || o->wait_dns_given))
        return fault_set(p->f, "--ip is for a relay without a domain: neither a domain nor "
                               "--wait-dns goes with it" SEE_HELP);
    for (size_t i = 0; i < FLAG_COUNT; i++)
        if (p->used[i] && !(flags[i].verbs & V(o->verb)))
            return fault_set(p->f, "--%s does not belong to `derp-setup %s`" SEE_HELP,
                             flags[i].name, verb->word ? verb->word : "DOMAIN");
    if (o->no_ipv6 && o->ip6.any.sa_family != AF_UNSPEC)
        return fault_set(p->f,
                         "--no-ipv6 and --ip6 contradict each other: give one of them" SEE_HELP);
    if (o->staging && o->acme_directory)
        return fault_set(p->f,
                         "--staging and --acme-directory contradict each other: give one" SEE_HELP);
    if (o->watch && o->json)
        return fault_set(p->f,
                         "--watch is for people, --json for programs: give one of them" SEE_HELP);
    if (o->quiet && o->verbose)
        return fault_set(p->f,
                         "--quiet and --verbose contradict each other: give one of them" SEE_HELP);
    if (o->firewall_given && o->firewall == FIREWALL_CHOICE_NONE &&
        (o->ssh_port_count || o->allow_count || o->close_others))
        return fault_set(p->f, "--firewall=none leaves the firewall alone: --ssh-port, --allow and "
                               "--close-others have no meaning with it" SEE_HELP);
    if (o->confirm && !o->purge)
        return fault_set(
            p->f, "--confirm belongs to --purge: derp-setup uninstall --purge --confirm=DOMAIN");
    return true;
}

enum options_result options_parse(int argc, char *const argv[], struct options *o, struct fault *f)
{
    struct parse p = {.o = o, .f = f, .early = OPTIONS_RUN};
    bool only_words = false;
    memset(o, 0, sizeof *o);
    o->verb = VERB_SETUP;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        bool taken = false, fine;
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
            continue;
        }
        if (only_words || word[0] != '-')
            fine = take_word(&p, word);
        else if (word[1] == '-')
            fine = parse_long(&p, word, next, &taken);
        else
            fine = word[1] ? parse_letters(&p, word) : take_word(&p, word);
        if (p.early != OPTIONS_RUN)
            return p.early;
        if (!fine)
            return OPTIONS_WRONG;
        if (taken)
            i++;
    }
    return check_together(&p) ? OPTIONS_RUN : OPTIONS_WRONG;
}

/* --- Help --------------------------------------------------------------------------------------
 */

/* In the reader's language. */
static void say(FILE *out, const char *text)
{
    char *shown = translate_text(text);
    fputs(shown, out);
    free(shown);
}

static void help_line(FILE *out, const char *left, const char *help)
{
    int pad = 27 - wrap_columns(left, strlen(left));
    if (pad < 0)
        fprintf(out, "  %s\n  %27s ", left, "");
    else
        fprintf(out, "  %s%*s ", left, pad, "");
    say(out, help);
    fputc('\n', out);
}

static void help_flag(FILE *out, const struct flag_row *row)
{
    char left[64];
    if (!row->help) {
        fputc('\n', out);
        say(out, row->name);
        say(out, N_(":\n"));
        return;
    }
    snprintf(left, sizeof left, "%c%c%s --%s%s%s%s", row->letter ? '-' : ' ',
             row->letter ? row->letter : ' ', row->letter ? "," : " ", row->name,
             row->optional ? "[=" : (row->value ? "=" : ""), row->value ? row->value : "",
             row->optional ? "]" : "");
    help_line(out, left, row->help);
}

void options_help(FILE *out)
{
    say(out, "derp-setup turns this server into a Tailscale DERP relay and STUN server.\n");
    fputc('\n', out);
    say(out, "Usage:\n");
    for (size_t i = 0; i < VERB_COUNT; i++) {
        char left[64];
        snprintf(left, sizeof left, "derp-setup %s%s%s", verbs[i].word ? verbs[i].word : "",
                 verbs[i].word && verbs[i].takes_domain ? " " : "",
                 verbs[i].takes_domain ? "DOMAIN" : "");
        help_line(out, left, verbs[i].help);
    }
    for (size_t i = 0; i < FLAG_COUNT; i++)
        help_flag(out, &flags[i]);
    fputc('\n', out);
    help_line(out, "-h, --help", N_("this text"));
    help_line(out, "-V, --version", N_("the version"));
    fputc('\n', out);
    say(out, "Settings that no flag names keep the value they have in /etc/derp/derp.conf.\n"
             "Exit status: 0 done or healthy, 1 unexpected error or degraded, 2 usage, 3 a check\n"
             "failed and nothing was changed (status: not set up), 4 DNS not ready in time,\n"
             "5 firewall, 6 certificate, 7 service not healthy, 8 another run is at work,\n"
             "130 interrupted. See derp-setup(8).\n");
}
