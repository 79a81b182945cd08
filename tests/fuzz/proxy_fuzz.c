/* SPDX-License-Identifier: Apache-2.0 */
/* What a load balancer sends first, whole and cut short. */
#include <stdlib.h>
#include <string.h>

#include "derp/wire/proxy.h"

static void check(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct proxy_header h, again;
    size_t used = 0, same = 0;
    enum proxy_result r = proxy_read_header(data, n, &h, &used);

    if (r == PROXY_INCOMPLETE)
        check(n < PROXY_HEADER_MAX);
    if (r != PROXY_OK)
        return 0;
    check(used > 0 && used <= n && used <= PROXY_HEADER_MAX);
    check(!h.has_client || endpoint_len(&h.client) != 0);
    /* What follows changes nothing, and nothing is accepted before it is whole. */
    check(proxy_read_header(data, used, &again, &same) == PROXY_OK && same == used);
    check(memcmp(&h, &again, sizeof h) == 0);
    for (size_t i = 0; i < used; i++)
        check(proxy_read_header(data, i, &again, &same) == PROXY_INCOMPLETE);
    return 0;
}
