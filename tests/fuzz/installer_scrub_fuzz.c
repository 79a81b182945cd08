/* SPDX-License-Identifier: Apache-2.0 */
/* Any text: no key of 32 hexadecimal digits and no control character is left in what is shown. */
#include "installer/scrub.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void look(const char *text)
{
    size_t run = 0;
    for (; *text; text++) {
        run = isxdigit((unsigned char)*text) ? run + 1 : 0;
        if (run >= 32 || ((unsigned char)*text < 0x20 && *text != '\n' && *text != '\t'))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(size + 1, 1);
    struct buf out;
    memcpy(text, data, size);
    buf_init(&out, 1 << 20);
    scrub(text, &out);
    look(buf_text(&out));
    buf_free(&out);
    scrub_config(text, &out);
    buf_free(&out);
    free(text);
    return 0;
}
