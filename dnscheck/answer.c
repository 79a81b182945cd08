/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define HEADER_LEN    12
#define FIXED_LEN     10  /* type, class, TTL and length after a record's name */
#define NAME_TEXT_MAX 253 /* printed, what 255 bytes on the wire can hold */
#define CLASS_IN      1
#define HOPS_MAX      16  /* a resolver gives up earlier */
#define POINTERS_MAX  127 /* as many as a name can have labels */

enum { RCODE_NOERROR = 0, RCODE_NXDOMAIN = 3 };

/* A message and how far it has been read. */
struct reader {
    const uint8_t *p;
    size_t n;
    size_t at;
};

struct record {
    char owner[DNSCHECK_NAME_MAX];
    uint16_t type;
    uint16_t class;
    uint32_t ttl;
    size_t data; /* offset of the RDATA in the message */
    uint16_t len;
};

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* Appends one label in lower case; bytes that would confuse a reader become \DDD. */
static bool print_label(const uint8_t *label, size_t len, char *text, size_t cap, size_t *used)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t c = label[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '-' || c == '_' || c == '*' || c == '/';
        if (*used + (plain ? 1 : 5) > cap)
            return false;
        if (plain)
            text[(*used)++] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        else
            *used += (size_t)snprintf(text + *used, cap - *used, "\\%03u", c);
    }
    return true;
}

/*
 * Reads a possibly compressed name (RFC 1035 4.1.4) at *at into text, without a trailing dot
 * ("" is the root), and moves *at behind it. Pointers must lead strictly backwards, so no chain
 * of them is endless; they are counted all the same, for a message has room for thousands, and for
 * thousands of names that follow them. A name that does not fit printed is refused too: no host has
 * one.
 */
static bool read_name(const struct reader *r, size_t *at, char text[static DNSCHECK_NAME_MAX])
{
    size_t where = *at, floor = *at, used = 0;
    unsigned pointers = 0;

    for (;;) {
        if (where >= r->n)
            return false;
        uint8_t len = r->p[where];
        if ((len & 0xc0) == 0xc0) {
            if (where + 2 > r->n)
                return false;
            size_t target = get16(r->p + where) & 0x3fffu;
            if (pointers == 0)
                *at = where + 2;
            if (target >= floor || ++pointers > POINTERS_MAX)
                return false;
            where = floor = target;
            continue;
        }
        if (len > 63 || where + 1 + len > r->n)
            return false;
        if (len == 0)
            break;
        if (used > 0)
            text[used++] = '.';
        if (!print_label(r->p + where + 1, len, text, NAME_TEXT_MAX, &used))
            return false;
        where += 1u + len;
    }
    if (pointers == 0)
        *at = where + 1;
    text[used] = '\0';
    return true;
}

static bool read_record(struct reader *r, struct record *out)
{
    if (!read_name(r, &r->at, out->owner) || r->n - r->at < FIXED_LEN)
        return false;
    const uint8_t *p = r->p + r->at;
    out->type = get16(p);
    out->class = get16(p + 2);
    out->ttl = get32(p + 4);
    if (out->ttl > INT32_MAX)
        out->ttl = 0; /* RFC 2181 8 */
    out->len = get16(p + 8);
    out->data = r->at + FIXED_LEN;
    if (r->n - out->data < out->len)
        return false;
    r->at = out->data + out->len;
    return true;
}

/* Moves r from the header to behind the questions. */
static bool skip_questions(struct reader *r)
{
    char name[DNSCHECK_NAME_MAX];
    for (unsigned i = get16(r->p + 4); i > 0; i--) {
        if (!read_name(r, &r->at, name) || r->n - r->at < 4)
            return false;
        r->at += 4;
    }
    return true;
}

/* Calls see for each record of the answer section until it returns false; false: malformed. */
static bool each_answer(const uint8_t *p, size_t n,
                        bool (*see)(const struct record *rec, const struct reader *r, void *arg),
                        void *arg)
{
    struct reader r = {p, n, HEADER_LEN};
    struct record rec;

    if (!skip_questions(&r))
        return false;
    for (unsigned i = get16(p + 6); i > 0; i--) {
        if (!read_record(&r, &rec))
            return false;
        if (rec.class == CLASS_IN && !see(&rec, &r, arg))
            break;
    }
    return true;
}

/* The name at which the search stands, and what it has found. */
struct search {
    char name[DNSCHECK_NAME_MAX];
    uint16_t type;
    struct answer *answer;
    unsigned hops; /* CNAMEs followed */
    bool any;      /* a TTL has been taken */
};

static void take_ttl(struct search *s, uint32_t ttl)
{
    if (!s->any || ttl < s->answer->ttl)
        s->answer->ttl = ttl;
    s->any = true;
}

/* Follows a CNAME of the current name; stops the pass when one was found. */
static bool see_alias(const struct record *rec, const struct reader *r, void *arg)
{
    struct search *s = arg;
    struct answer *a = s->answer;
    char target[DNSCHECK_NAME_MAX];
    size_t at = rec->data;
    if (rec->type != DNS_TYPE_CNAME || strcmp(rec->owner, s->name) != 0)
        return true;
    if (!read_name(r, &at, target))
        return true;
    snprintf(s->name, sizeof s->name, "%s", target);
    take_ttl(s, rec->ttl);
    if (a->chain_count < DNSCHECK_CHAIN_MAX)
        memcpy(a->chain[a->chain_count++], s->name, sizeof s->name);
    s->hops++;
    return false;
}

static bool see_data(const struct record *rec, const struct reader *r, void *arg)
{
    struct search *s = arg;
    struct answer *a = s->answer;
    if (rec->type != s->type || strcmp(rec->owner, s->name) != 0)
        return true;
    if (a->count == ANSWER_RECORDS_MAX)
        return false;
    char name[DNSCHECK_NAME_MAX];
    const void *data = r->p + rec->data;
    size_t len = rec->len, at = rec->data;
    if (rec->type == DNS_TYPE_NS) { /* compressed: means nothing without the message */
        if (!read_name(r, &at, name))
            return true;
        data = name;
        len = strlen(name) + 1;
    }
    take_ttl(s, rec->ttl);
    a->records = mem_resize(a->records, a->count + 1, sizeof *a->records);
    a->records[a->count++] =
        (struct answer_record){.len = (uint16_t)len, .data = mem_copy(data, len)};
    return true;
}

static bool follow(const uint8_t *p, size_t n, struct search *s)
{
    unsigned before;
    do {
        before = s->hops;
        if (!each_answer(p, n, see_alias, s))
            return false;
    } while (s->hops > before && s->hops < HOPS_MAX);
    return each_answer(p, n, see_data, s);
}

/* For how long "there is none" may be remembered: the lesser of the TTL and the minimum of the SOA
 * record in the authority section (RFC 2308 5); 0 without one. */
static uint32_t negative_ttl(const uint8_t *p, size_t n)
{
    struct reader r = {p, n, HEADER_LEN};
    struct record rec;
    unsigned answers = get16(p + 6), all = answers + get16(p + 8);
    if (!skip_questions(&r))
        return 0;
    for (unsigned i = 0; i < all; i++) {
        if (!read_record(&r, &rec))
            return 0;
        if (i < answers || rec.class != CLASS_IN || rec.type != DNS_TYPE_SOA || rec.len < 22)
            continue;
        uint32_t minimum = get32(p + rec.data + rec.len - 4);
        return minimum < rec.ttl ? minimum : rec.ttl;
    }
    return 0;
}

void answer_read(const uint8_t *p, size_t n, const char *name, uint16_t type, struct answer *answer)
{
    struct search s = {.type = type, .answer = answer};

    answer->status = ANSWER_SERVFAIL;
    if (n < HEADER_LEN || !(p[2] & 0x80))
        return;
    unsigned rcode = p[3] & 0x0f;
    if (rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN)
        return;
    text_lower(name, s.name, sizeof s.name);
    if (!follow(p, n, &s)) {
        answer_clear(answer);
        answer->status = ANSWER_SERVFAIL;
        return;
    }
    if (answer->count > 0)
        answer->status = ANSWER_DATA;
    else
        answer->status = rcode == RCODE_NXDOMAIN ? ANSWER_NXDOMAIN : ANSWER_NODATA;
    if (answer->count == 0)
        answer->ttl = negative_ttl(p, n);
}

static bool to_endpoint(const uint8_t *data, size_t len, struct endpoint *e)
{
    *e = (struct endpoint){0};
    if (len == 4) {
        e->in4.sin_family = AF_INET;
        memcpy(&e->in4.sin_addr, data, 4);
        return true;
    }
    if (len == 16) {
        e->in6.sin6_family = AF_INET6;
        memcpy(&e->in6.sin6_addr, data, 16);
        return true;
    }
    return false;
}

/* --- Referrals ------------------------------------------------------------------------------ */

static void see_delegation(const struct record *rec, const struct reader *r, struct referral *out)
{
    size_t at = rec->data;
    if (rec->type != DNS_TYPE_NS || (out->count > 0 && strcmp(rec->owner, out->zone) != 0))
        return;
    if (out->count == REFERRAL_NAMES_MAX) {
        out->cut = true;
        return;
    }
    if (!read_name(r, &at, out->names[out->count]))
        return;
    memcpy(out->zone, rec->owner, sizeof out->zone);
    out->count++;
}

static void see_glue(const struct record *rec, const struct reader *r, struct referral *out)
{
    bool is_address = (rec->type == DNS_TYPE_A && rec->len == 4) ||
                      (rec->type == DNS_TYPE_AAAA && rec->len == 16);
    for (size_t i = 0; is_address && i < out->count; i++) {
        if (out->glue_count == REFERRAL_GLUE_MAX || strcmp(out->names[i], rec->owner) != 0)
            continue;
        out->glue[out->glue_count].name = i;
        to_endpoint(r->p + rec->data, rec->len, &out->glue[out->glue_count++].at);
    }
}

bool answer_referral(const uint8_t *p, size_t n, struct referral *out)
{
    struct reader r = {p, n, HEADER_LEN};
    struct record rec;

    *out = (struct referral){0};
    if (n < HEADER_LEN || !(p[2] & 0x80) || (p[3] & 0x0f) != RCODE_NOERROR || get16(p + 6) != 0 ||
        !skip_questions(&r))
        return false;
    unsigned authority = get16(p + 8), all = authority + get16(p + 10);
    for (unsigned i = 0; i < all; i++) {
        if (!read_record(&r, &rec))
            return false;
        if (rec.class != CLASS_IN)
            continue;
        if (i < authority)
            see_delegation(&rec, &r, out);
        else
            see_glue(&rec, &r, out);
    }
    return out->count > 0;
}

void answer_addresses(const struct answer *answer, struct address_set *set)
{
    for (size_t i = 0; i < answer->count; i++) {
        struct endpoint e;
        if (to_endpoint(answer->records[i].data, answer->records[i].len, &e))
            address_set_add(set, &e);
    }
}

void answer_clear(struct answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        free(answer->records[i].data);
    free(answer->records);
    *answer = (struct answer){0};
}
