/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses: key file, tailscaled's answer, a URL's answer. */
#include "derp/relay/admission_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct admission_keys keys;
    struct fault f;

    if (n == 0)
        return 0;
    if (data[0] % 3 == 0) {
        if (admission_keys_parse((const char *)data + 1, n - 1, &keys, &f))
            admission_keys_free(&keys);
    } else if (data[0] % 3 == 1) {
        admission_read_whois(200, (const char *)data + 1, n - 1);
    } else {
        admission_read_allow(200, (const char *)data + 1, n - 1);
    }
    return 0;
}
