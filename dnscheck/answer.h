/* SPDX-License-Identifier: Apache-2.0 */
/* What the DNS said to one question, and how to read it from a message (RFC 1035 4). Pure. */
#ifndef DNSCHECK_ANSWER_H
#define DNSCHECK_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dnscheck/dnscheck.h"

#define DNS_TYPE_A     1
#define DNS_TYPE_NS    2
#define DNS_TYPE_CNAME 5
#define DNS_TYPE_TXT   16
#define DNS_TYPE_SOA   6
#define DNS_TYPE_AAAA  28
#define DNS_TYPE_CAA   257

#define ANSWER_RECORDS_MAX 128

enum answer_status {
    ANSWER_NONE,     /* no answer in time */
    ANSWER_DATA,     /* records of the wanted type */
    ANSWER_NODATA,   /* the name exists, without that type */
    ANSWER_NXDOMAIN, /* the name, or what it is an alias of, does not exist */
    ANSWER_SERVFAIL, /* its servers were no use: silent, lame, refusing, broken */
    ANSWER_BOGUS,    /* DNSSEC validation failed */
};

/* Canonical only as far as the message goes: names are printed (RFC 1035 5.1), lower case. */
struct answer {
    enum answer_status status;
    bool secure;  /* validated by DNSSEC */
    bool late;    /* with ANSWER_SERVFAIL: it came so late that no server can have answered */
    uint32_t ttl; /* seconds: smallest in the chain of CNAMEs and records; of NODATA and NXDOMAIN
                     how long that may be remembered */
    char chain[DNSCHECK_CHAIN_MAX][DNSCHECK_NAME_MAX]; /* targets of the CNAMEs, in order */
    size_t chain_count;
    struct answer_record {
        uint16_t len;
        uint8_t *data; /* RDATA in wire format; of an NS record the printed name, with its
                          terminator; owned */
    } * records;
    size_t count;
    char why[256]; /* with ANSWER_BOGUS: what the validator says; "" if nothing */
};

/*
 * Reads a response of n bytes to a question for name and type: follows CNAMEs in the answer
 * section and keeps the records at their end. Fills chain, records, ttl and status
 * (DATA, NODATA, NXDOMAIN, SERVFAIL for every other RCODE); a malformed message is SERVFAIL.
 * answer must be zeroed or cleared.
 */
void answer_read(const uint8_t *p, size_t n, const char *name, uint16_t type,
                 struct answer *answer);

#define REFERRAL_NAMES_MAX 8
#define REFERRAL_GLUE_MAX  32

/* What a server of the zone above says about a zone: where to go on asking. */
struct referral {
    char zone[DNSCHECK_NAME_MAX]; /* lower case, no trailing dot */
    char names[REFERRAL_NAMES_MAX][DNSCHECK_NAME_MAX];
    size_t count;
    bool cut; /* there are more of them */
    struct {
        size_t name; /* index into names */
        struct endpoint at;
    } glue[REFERRAL_GLUE_MAX]; /* addresses that came along, port 0 */
    size_t glue_count;
};

/* Reads a referral (RFC 1034 4.3.2): no answer, NS records in the authority section. false: this
 * message is none, or malformed. */
bool answer_referral(const uint8_t *p, size_t n, struct referral *out);

/* Adds the A and AAAA records of answer to set. */
void answer_addresses(const struct answer *answer, struct address_set *set);

/* Frees the records and zeroes the answer. */
void answer_clear(struct answer *answer);

#endif
