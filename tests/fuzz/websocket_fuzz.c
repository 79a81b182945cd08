/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte says how the rest is cut into pieces. */
#include "derp/wire/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct websocket *w = websocket_new();
    struct buf stream, control;
    size_t step = n > 0 ? data[0] + 1u : 1;

    buf_init(&stream, 200000);
    buf_init(&control, 4096);
    for (size_t i = 1; i < n; i += step) {
        size_t len = n - i < step ? n - i : step;
        if (websocket_take(w, data + i, len, &stream, &control) != WEBSOCKET_OPEN)
            break;
    }
    websocket_free(w);
    buf_free(&stream);
    buf_free(&control);
    return 0;
}
