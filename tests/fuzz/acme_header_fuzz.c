/* SPDX-License-Identifier: Apache-2.0 */
/* Link, Retry-After, Date, Replay-Nonce. */
#include <stdlib.h>
#include <string.h>

#include "acme/header.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    int64_t seconds;
    time_t t;
    char *s = mem_alloc(n + 1, 1);
    memcpy(s, data, n);
    if (header_retry_after(s, 1800000000, &seconds) && (seconds < 0 || seconds > 366 * 86400))
        abort();
    header_date(s, &t);
    header_is_url(s);
    header_is_nonce(s);
    for (size_t i = 0; i < 4; i++) {
        char *target = header_link(s, "alternate", i);
        if (target && (strlen(target) >= n || strchr(target, '>')))
            abort();
        free(target);
    }
    free(s);
    return 0;
}
