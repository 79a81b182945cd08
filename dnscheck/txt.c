/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/txt.h"

#include <string.h>

static bool is(const struct answer_record *r, const char *value)
{
    size_t left = strlen(value);
    for (size_t i = 0; i < r->len;) {
        size_t n = r->data[i++];
        if (n > r->len - i || n > left || memcmp(r->data + i, value, n) != 0)
            return false;
        i += n;
        value += n;
        left -= n;
    }
    return left == 0;
}

bool txt_has(const struct answer *answer, const char *value)
{
    for (size_t i = 0; answer->status == ANSWER_DATA && i < answer->count; i++) {
        if (is(&answer->records[i], value))
            return true;
    }
    return false;
}
