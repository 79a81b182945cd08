/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the PEM file that derpd serves. */
#include "installer/leaf.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct leaf leaf;
    struct fault f;

    if (!leaf_parse((const char *)data, size, "derp.demo.com", &leaf, &f))
        return 0;
    for (const char *c = leaf.issuer; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            abort();
    leaf_is_good(&leaf, 1800000000);
    leaf_days(&leaf, 1800000000);
    return 0;
}
