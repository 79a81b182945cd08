/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages: two bytes for the type asked, then the message. */
#include <stdlib.h>
#include <string.h>

#include "dnscheck/answer.h"
#include "dnscheck/txt.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct answer a = {0};
    struct address_set set = {0};
    if (n < 2)
        return 0;
    answer_read(p + 2, n - 2, "Derp.Demo.com.", (uint16_t)(p[0] << 8 | p[1]), &a);
    answer_addresses(&a, &set);
    txt_has(&a, "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0");
    if (a.status == ANSWER_DATA ? a.count == 0 : a.count > 0)
        abort();
    if (a.count > ANSWER_RECORDS_MAX || a.chain_count > DNSCHECK_CHAIN_MAX)
        abort();
    for (size_t i = 0; i < a.chain_count; i++) {
        for (const char *c = a.chain[i]; *c; c++) {
            if (*c <= ' ' || *c > '~')
                abort(); /* nothing that a terminal would obey */
        }
    }
    answer_clear(&a);
    struct referral r;
    if (answer_referral(p + 2, n - 2, &r) &&
        (r.count == 0 || r.count > REFERRAL_NAMES_MAX || r.glue_count > REFERRAL_GLUE_MAX))
        abort();
    for (size_t i = 0; i < r.glue_count; i++)
        if (r.glue[i].name >= r.count)
            abort();
    return 0;
}
