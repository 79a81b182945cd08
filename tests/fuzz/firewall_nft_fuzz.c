/* SPDX-License-Identifier: Apache-2.0 */
/* The nftables ruleset in JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/foreign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct nft_chains chains;
    struct fault f;
    char *text = mem_alloc(n + 1, 1);
    memcpy(text, data, n);
    if (nftjson_parse(text, &chains, &f)) {
        for (size_t i = 0; i < chains.count; i++) {
            const struct nft_chain *c = &chains.list[i];
            if (foreign_nft_chain(c, true) != FOREIGN_NONE && !c->policy_drop && !c->drops)
                abort();
        }
        nft_chains_free(&chains);
    }
    free(text);
    return 0;
}
