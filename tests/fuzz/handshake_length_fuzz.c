/* SPDX-License-Identifier: Apache-2.0 */
/* A client's TLS handshake: cut in two anywhere, it must come to the same. First byte: where; its
 * lowest bit: TLS 1.2. */
#include <stdlib.h>

#include "derp/wire/handshake_length.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct handshake_length whole = {.record_n = 0}, cut = {.record_n = 0};
    size_t at;
    bool hides, ok;

    if (n == 0)
        return 0;
    at = n > 1 ? data[0] % n : 0;
    hides = data[0] & 1;
    data++;
    n--;
    ok = handshake_length_take(&whole, data, n, hides);
    if (whole.message_left > HANDSHAKE_LENGTH_MAX && ok)
        abort();
    if (ok != (handshake_length_take(&cut, data, at < n ? at : n, hides) &&
               handshake_length_take(&cut, data + (at < n ? at : n), n - (at < n ? at : n), hides)))
        abort();
    return 0;
}
