/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of metadata services and address services, and resolv.conf: any bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dnscheck/cloud.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct endpoint e = {0};
    struct cloud_facts facts = {.cloud = CLOUD_ALIBABA, .tailscaled = true, .public_ca = true};
    struct findings all = {0};
    char *text = mem_alloc(n + 1, 1);
    memcpy(text, p, n);
    if (cloud_read_address(text, n, &e) &&
        (e.any.sa_family != AF_INET || !address_is_public(&e) || endpoint_port(&e) != 0))
        abort();
    if (cloud_read_word(text, n, facts.region, sizeof facts.region)) {
        for (const char *c = facts.region; *c; c++)
            if (*c <= ' ' || *c > '~')
                abort(); /* it becomes a header */
    }
    cloud_nameservers(text, &facts.nameservers);
    cloud_judge(&facts, &all);
    if (all.count == 0)
        abort();
    findings_free(&all);
    free(text);
    return 0;
}
