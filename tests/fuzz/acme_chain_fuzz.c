/* SPDX-License-Identifier: Apache-2.0 */
/* PEM bundles as a CA, or a disk, may hand them out. */
#include <stdlib.h>
#include <string.h>

#include "acme/chain.h"
#include "acme/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct chain c, again;
    struct chain_facts facts;
    struct buf pem;
    struct fault f;
    EVP_PKEY *key = key_from_pem(data, n, &f);
    EVP_PKEY_free(key);
    if (!chain_parse(data, n, &c, &f))
        return 0;
    if (c.count == 0 || c.count > CHAIN_MAX)
        abort();
    chain_read_facts(c.list[0], &facts);
    chain_fits(&c, NULL, "derp.demo.com", &f);
    chain_fits(&c, NULL, "203.0.113.5", &f);
    chain_has_issuer(&c, "ISRG Root X1");
    chain_verify(&c, 1800000000, false, &f);
    free(chain_leaf_der(&c));
    /* What was read is written and read as the same. */
    buf_init(&pem, 4 * CHAIN_BYTES_MAX);
    if (chain_to_pem(&c, &pem, &f) && pem.len <= CHAIN_BYTES_MAX) {
        if (!chain_parse(pem.data, pem.len, &again, &f) || again.count != c.count)
            abort();
        chain_free(&again);
    }
    buf_free(&pem);
    chain_free(&c);
    return 0;
}
