/* SPDX-License-Identifier: Apache-2.0 */
/* CAA record sets: each RDATA after one byte of length. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dnscheck/caa.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void add(struct answer *set, const uint8_t *p, size_t n)
{
    set->records = mem_resize(set->records, set->count + 1, sizeof *set->records);
    set->records[set->count++] = (struct answer_record){.len = (uint16_t)n, .data = mem_copy(p, n)};
}

static void judge(const struct answer *set, const struct caa_request *want)
{
    char detail[CAA_DETAIL];
    memset(detail, 'x', sizeof detail);
    caa_judge(set, want, detail);
    if (!memchr(detail, '\0', sizeof detail))
        abort();
    for (const char *c = detail; *c; c++) {
        if (*c < ' ' || *c > '~')
            abort(); /* nothing that a terminal would obey */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char *const names[] = {"letsencrypt.org", "pki.goog"};
    const struct caa_request full = {names, 2, "tls-alpn-01", "https://ca.example/acct/7"};
    const struct caa_request none = {0};
    struct answer set = {.status = ANSWER_DATA};

    while (n > 0 && set.count < ANSWER_RECORDS_MAX) {
        size_t len = p[0] < n - 1 ? p[0] : n - 1;
        add(&set, p + 1, len);
        p += 1 + len;
        n -= 1 + len;
    }
    if (set.count > 0) {
        judge(&set, &full);
        judge(&set, &none);
    }
    answer_clear(&set);
    return 0;
}
