/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams as a STUN server and as a STUN client get them. */
#include <stdlib.h>
#include <string.h>

#include "derp/wire/stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t txid[STUN_TXID_LEN] = {0};
    uint8_t out[STUN_RESPONSE_MAX];
    struct endpoint mapped = {.any.sa_family = 0};
    struct endpoint again = {.any.sa_family = 0};

    stun_verdict_name(stun_read_request(data, n, txid));
    if (n >= 8 + STUN_TXID_LEN)
        memcpy(txid, data + 8, sizeof(txid));
    if (!stun_read_response(data, n, txid, &mapped))
        return 0;
    /* An address that was read is written and read as the same. */
    size_t len = stun_write_response(out, txid, &mapped);
    if (!stun_read_response(out, len, txid, &again) || !endpoint_same_ip(&mapped, &again) ||
        endpoint_port(&mapped) != endpoint_port(&again))
        abort();
    return 0;
}
