/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/message.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define HEADER_LEN 12
#define LABEL_MAX  63
#define WIRE_MAX   255
#define TAIL_LEN   4 /* type and class of the question */

static void put16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

/* The name in wire format at out; 0 when it has none. */
static size_t put_name(const char *name, uint8_t *out)
{
    size_t used = 0;
    while (*name) {
        size_t n = strcspn(name, ".");
        if (n == 0 || n > LABEL_MAX || used + n + 2 > WIRE_MAX)
            return 0;
        out[used++] = (uint8_t)n;
        memcpy(out + used, name, n);
        used += n;
        name += n;
        if (*name == '.')
            name++;
    }
    out[used++] = 0;
    return used;
}

size_t message_write(const struct message_question *q, uint8_t out[static MESSAGE_QUESTION_MAX])
{
    /* OPT: root, type 41, our size, no extended RCODE, version 0, no flags, no data. */
    static const uint8_t opt[] = {0, 0, 41, MESSAGE_UDP_MAX >> 8, MESSAGE_UDP_MAX & 0xff, 0, 0, 0,
                                  0, 0, 0};
    memset(out, 0, HEADER_LEN);
    put16(out, q->id);
    out[2] = q->recurse ? 0x01 : 0;
    out[5] = 1;  /* questions */
    out[11] = 1; /* additional records */
    size_t n = put_name(q->name, out + HEADER_LEN);
    if (n == 0)
        return 0;
    n += HEADER_LEN;
    put16(out + n, q->type);
    put16(out + n + 2, 1);
    memcpy(out + n + TAIL_LEN, opt, sizeof opt);
    return n + TAIL_LEN + sizeof opt;
}

bool message_is_reply(const uint8_t *question, size_t question_len, const uint8_t *p, size_t n,
                      struct message_reply *out)
{
    size_t at = HEADER_LEN;
    *out = (struct message_reply){0};
    if (n < HEADER_LEN || question_len < HEADER_LEN || memcmp(question, p, 2) != 0 ||
        !(p[2] & 0x80))
        return false;
    out->rcode = p[3] & 0x0f;
    out->authoritative = p[2] & 0x04;
    out->truncated = p[2] & 0x02;
    /* A server that cannot read the question (FORMERR) need not repeat it. */
    if (p[4] == 0 && p[5] == 0)
        return out->rcode != 0;
    while (at < question_len && question[at] != 0)
        at += 1u + question[at];
    at += 1 + TAIL_LEN;
    if (at > question_len || at > n || p[4] != 0 || p[5] != 1)
        return false;
    for (size_t i = HEADER_LEN; i < at; i++) {
        if (tolower(question[i]) != tolower(p[i]))
            return false;
    }
    return true;
}

const char *message_rcode(unsigned rcode, char text[static MESSAGE_RCODE_TEXT])
{
    static const char *const names[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                        "NXDOMAIN", "NOTIMP",  "REFUSED"};
    if (rcode < sizeof names / sizeof *names)
        return names[rcode];
    snprintf(text, MESSAGE_RCODE_TEXT, "RCODE %u", rcode);
    return text;
}
