/* SPDX-License-Identifier: Apache-2.0 */
/* What a CA answers at renewalInfo. */
#include <stdlib.h>
#include <string.h>

#include "acme/ari.h"
#include "acme/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct renewal_info info;
    struct fault f;
    if (message_renewal_info(data, n, &info, &f)) {
        struct ari a = {0};
        if (info.end <= info.start || (info.explanation && !header_is_url(info.explanation)))
            abort();
        ari_answer(&a, &info, 1800000000, (int64_t)n - 3, n * 0x9e3779b97f4a7c15);
        if (a.pick < info.start || a.pick >= info.end || ari_look_due(&a, 1800000000))
            abort();
        ari_free(&a);
    }
    renewal_info_free(&info);
    return 0;
}
