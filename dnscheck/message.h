/* SPDX-License-Identifier: Apache-2.0 */
/* Questions as messages (RFC 1035 4), and which message is the reply to one. Pure. */
#ifndef DNSCHECK_MESSAGE_H
#define DNSCHECK_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_QUESTION_MAX 300  /* header, name, type, class, EDNS */
#define MESSAGE_UDP_MAX      1232 /* what we say we take in one datagram (RFC 6891 6.2.5) */

struct message_question {
    uint16_t id;
    const char *name; /* printed, letters, digits, '-', '_', '*'; "" is the root */
    uint16_t type;
    bool recurse; /* for a resolver; a name server is asked without */
};

/* Writes the question; 0 when the name has a label that is empty or too long. Returns its length.
 */
size_t message_write(const struct message_question *q, uint8_t out[static MESSAGE_QUESTION_MAX]);

/* What the head of a reply says. */
struct message_reply {
    unsigned rcode;
    bool authoritative;
    bool truncated;
};

/* True when the message answers the question that begins with these n bytes: same id and same
 * question (case ignored). */
bool message_is_reply(const uint8_t *question, size_t question_len, const uint8_t *p, size_t n,
                      struct message_reply *out);

#define MESSAGE_RCODE_TEXT 20

/* "REFUSED" and so on; "RCODE 9" for those without a common name. Returns text. */
const char *message_rcode(unsigned rcode, char text[static MESSAGE_RCODE_TEXT]);

#endif
