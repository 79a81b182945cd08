/* SPDX-License-Identifier: Apache-2.0 */
/* What comes back to a question: a name, a line feed, then the datagram. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dnscheck/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    uint8_t question[MESSAGE_QUESTION_MAX];
    char name[256], text[MESSAGE_RCODE_TEXT];
    struct message_reply head;
    const uint8_t *end = n ? memchr(p, '\n', n) : NULL;
    size_t len = end ? (size_t)(end - p) : 0;
    if (!end || len >= sizeof name || memchr(p, '\0', len))
        return 0;
    memcpy(name, p, len);
    name[len] = '\0';
    size_t size =
        message_write(&(struct message_question){.id = 7, .name = name, .type = 1}, question);
    if (size > sizeof question)
        abort();
    size_t rest = n - len - 1;
    uint8_t *exact = mem_alloc(rest + 1, 1);
    memcpy(exact, end + 1, rest);
    if (size > 0 && message_is_reply(question, size, exact, rest, &head))
        message_rcode(head.rcode, text);
    free(exact);
    return 0;
}
