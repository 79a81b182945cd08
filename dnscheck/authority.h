/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name servers of the domain's zone, and what each of them says when it is asked itself. The
 * CA takes any of them, and from several places at once: each has to be right.
 */
#ifndef DNSCHECK_AUTHORITY_H
#define DNSCHECK_AUTHORITY_H

#include "dnscheck/answer.h"
#include "dnscheck/message.h"
#include "dnscheck/resolve.h"

#define AUTHORITY_NAMES_MAX   REFERRAL_NAMES_MAX
#define AUTHORITY_SERVERS_MAX 16

/* A name server by name. */
struct authority_name {
    char name[DNSCHECK_NAME_MAX];
    bool above; /* the zone above refers to it */
    bool own;   /* the zone itself names it */
    struct address_set addresses;
    bool unsure; /* looking these up took too long: none need not mean that there is none */
};

/* One address of a name server. */
struct authority_server {
    size_t name; /* index into names */
    struct endpoint at;
    bool answered;
    struct message_reply head;
    struct answer a;
    struct answer aaaa;
    bool referred; /* to a zone below, instead of answering */
};

struct authority {
    char zone[DNSCHECK_NAME_MAX]; /* "": not found, and the rest is empty */
    bool above_known;             /* the zone above was asked and said whom it refers to */
    struct authority_name names[AUTHORITY_NAMES_MAX];
    size_t name_count;
    bool cut; /* there are more of them, above or in the zone */
    struct authority_server servers[AUTHORITY_SERVERS_MAX];
    size_t server_count;
};

/*
 * Finds and asks them. ns: the answers to NS questions for the domain and the names above it, the
 * deepest first (as caa_parent climbs). answered: the domain's A question was answered, so that the
 * deepest of ns is the domain's own zone; otherwise that one is asked whom it refers to. ip6: IPv6
 * is of use; addresses without a route to them are left out in any case. Takes at most timeout_ms.
 * false: *stop of the resolver was set. Free out with authority_clear.
 */
bool authority_ask(struct resolver *r, const char *domain, const struct resolve_question *ns,
                   size_t ns_count, bool answered, bool ip6, int timeout_ms,
                   const volatile int *stop, struct authority *out);

void authority_clear(struct authority *authority);

#endif
