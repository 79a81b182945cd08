/* SPDX-License-Identifier: Apache-2.0 */
/* Phrases that several findings share. Pure. */
#ifndef DNSCHECK_WORDS_H
#define DNSCHECK_WORDS_H

#include "dnscheck/verdict.h"

#define SET_TEXT     256                       /* room for a set of addresses */
#define ALIAS_TEXT   (DNSCHECK_NAME_MAX + 20)  /* " (an alias of NAME)" */
#define WHO_TEXT     (DNSCHECK_NAME_MAX + 128) /* of words_who */
#define SERVERS_TEXT 1200                      /* of words_servers */
#define NAME_IT_TEXT (DNSCHECK_NAME_MAX + 256) /* of words_name_it */

/* The end of every fix. */
#define AGAIN "then run: derp-setup check %s"

/* " (an alias of NAME)", or "". All of these return text. */
const char *words_alias(const struct answer *a, char text[static ALIAS_TEXT]);

/* Has this server IPv6 only, as far as its public addresses are known? */
bool words_only6(const struct verdict_input *in);

/* "A", or "AAAA" for a server that has IPv6 only: the record that should lead to it. The addresses
 * of ours that it should hold, or words for them. */
const char *words_record(const struct verdict_input *in);
const char *words_wanted(const struct verdict_input *in, char text[static SET_TEXT]);

/* Behind a fix: how to name the one address of set, which is on no interface here, if it is ours
 * nevertheless. "" when naming it would not help. */
const char *words_name_it(const struct verdict_input *in, const struct address_set *set,
                          char text[static NAME_IT_TEXT]);

/* ", a private address" after addresses that the internet cannot reach; ", addresses of NAME"
 * after those of a content delivery network. */
const char *words_kind(const struct address_set *set, char text[static SET_TEXT]);

/* " (the last to answer was 203.0.113.53, a name server of demo.com)", as far as it is known. */
const char *words_who(const struct verdict_input *in, char text[static WHO_TEXT]);

/* ": ns1.demo.com (203.0.113.53) answers REFUSED, ns2.demo.com has no address"; "" when they were
 * not asked. */
const char *words_servers(const struct verdict_input *in, char text[static SERVERS_TEXT]);

/* "ns1.demo.com (203.0.113.53)" */
const char *words_server(const struct authority *a, const struct authority_server *s,
                         char text[static WHO_TEXT]);

/* How our record is to be set; an alias cannot have one beside it. otherwise: from words_name_it,
 * or "". */
void words_fix_record(const struct verdict_input *in, const char *otherwise, struct findings *all,
                      size_t index);

#endif
