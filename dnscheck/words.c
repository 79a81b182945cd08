/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/words.h"

#include <stdio.h>
#include <string.h>

#include "base/translate.h"
#include "dnscheck/suspects.h"

const char *words_alias(const struct answer *a, char text[static ALIAS_TEXT])
{
    text[0] = '\0';
    if (a->chain_count > 0)
        translate_print(text, ALIAS_TEXT, " (an alias of %s)", a->chain[a->chain_count - 1]);
    return text;
}

/* The addresses of ours that a record should hold, or words for them. */
static const char *print_wanted(const struct address_set *ours, const char *otherwise, char *text,
                                size_t cap)
{
    if (ours->count > 0)
        return address_set_print(ours, text, cap);
    translate_print(text, cap, "%s", otherwise);
    return text;
}

bool words_only6(const struct verdict_input *in)
{
    const struct address_pair *own = &in->own->public;
    return own->ip4.count == 0 && own->ip6.count > 0;
}

const char *words_record(const struct verdict_input *in)
{
    return words_only6(in) ? "AAAA" : "A";
}

const char *words_wanted(const struct verdict_input *in, char text[static SET_TEXT])
{
    const struct address_pair *own = &in->own->public;
    return print_wanted(words_only6(in) ? &own->ip6 : &own->ip4,
                        "this server's public IPv4 address", text, SET_TEXT);
}

const char *words_name_it(const struct verdict_input *in, const struct address_set *set,
                          char text[static NAME_IT_TEXT])
{
    char ip[ENDPOINT_TEXT];
    const struct endpoint *e = &set->list[0];
    text[0] = '\0';
    bool six = e->any.sa_family == AF_INET6;
    if (set->count != 1 || !address_is_public(e) || suspect_cdn_address(e) ||
        (six && in->options->no_ipv6))
        return text;
    endpoint_print_ip(e, ip);
    translate_print(text, NAME_IT_TEXT,
                    ". If %s does lead to this server, through a translation or a load balancer, "
                    "name it: derp-setup %s=%s %s",
                    ip, six ? "--ip6" : "--ip4", ip, in->domain);
    return text;
}

const char *words_kind(const struct address_set *set, char text[static SET_TEXT])
{
    text[0] = '\0';
    for (size_t i = 0; i < set->count; i++) {
        const char *kind = address_kind_text(address_classify(&set->list[i]));
        const char *cdn = suspect_cdn_address(&set->list[i]);
        if (cdn) {
            translate_print(text, SET_TEXT, ", %s of %s",
                            set->count > 1 ? "addresses" : "an address", cdn);
            break;
        }
        if (*kind) {
            translate_print(text, SET_TEXT, N_(", %s"), kind);
            break;
        }
    }
    return text;
}

void words_fix_record(const struct verdict_input *in, const char *otherwise, struct findings *all,
                      size_t index)
{
    const struct answer *a = in->a;
    const char *type = words_record(in);
    char wanted[SET_TEXT];
    words_wanted(in, wanted);
    if (a->chain_count > 0)
        finding_fix(all, index,
                    "Replace the CNAME record of %s by the %s record %s with TTL %d at your DNS "
                    "provider (or correct %s), " AGAIN "%s",
                    in->domain, type, wanted, DNSCHECK_TTL_GOOD, a->chain[a->chain_count - 1],
                    in->domain, otherwise);
    else
        finding_fix(all, index,
                    "Set the %s record of %s to %s with TTL %d at your DNS provider, " AGAIN "%s",
                    type, in->domain, wanted, DNSCHECK_TTL_GOOD, in->domain, otherwise);
}

const char *words_who(const struct verdict_input *in, char text[static WHO_TEXT])
{
    const struct trace *t = in->trace;
    text[0] = '\0';
    if (t->replies == 0)
        return text;
    if (in->options->resolver.any.sa_family != AF_UNSPEC)
        translate_print(text, WHO_TEXT, " (asked through %s)", t->server);
    else if (t->zone[0] == '\0')
        translate_print(text, WHO_TEXT, " (the last to answer was the root server %s)", t->server);
    else
        translate_print(text, WHO_TEXT, " (the last to answer was %s, a name server of %s)",
                        t->server, t->zone);
    return text;
}

const char *words_server(const struct authority *a, const struct authority_server *s,
                         char text[static WHO_TEXT])
{
    char ip[ENDPOINT_TEXT];
    translate_print(text, WHO_TEXT, "%s (%s)", a->names[s->name].name,
                    endpoint_print_ip(&s->at, ip));
    return text;
}

const char *words_servers(const struct verdict_input *in, char text[static SERVERS_TEXT])
{
    const struct authority *a = in->authority;
    text[0] = '\0';
    for (size_t i = 0; a && i < a->name_count; i++) {
        const char *between = *text ? N_(", ") : N_(": ");
        if (a->names[i].addresses.count == 0 && !a->names[i].unsure)
            translate_append(text, SERVERS_TEXT, "%s%s has no address", between, a->names[i].name);
    }
    for (size_t i = 0; a && i < a->server_count; i++) {
        const struct authority_server *s = &a->servers[i];
        char server[WHO_TEXT], rcode[MESSAGE_RCODE_TEXT];
        const char *between = *text ? N_(", ") : N_(": ");
        words_server(a, s, server);
        if (!s->answered)
            translate_append(text, SERVERS_TEXT, "%s%s does not answer", between, server);
        else if (s->head.rcode != 0)
            translate_append(text, SERVERS_TEXT, "%s%s answers %s", between, server,
                             message_rcode(s->head.rcode, rcode));
        else if (!s->head.authoritative)
            translate_append(text, SERVERS_TEXT, "%s%s does not serve the zone", between, server);
    }
    if (!*text && a && a->server_count > 0)
        translate_print(text, SERVERS_TEXT, ": asked directly, they do answer");
    return text;
}
