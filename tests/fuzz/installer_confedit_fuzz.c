/* SPDX-License-Identifier: Apache-2.0 */
/* Editing any text as an INI file: what was set is read back, and a second edit changes nothing. */
#include "installer/confedit.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(size + 1, 1);
    char value[64];
    struct confedit edits[] = {
        {"relay", "uplink", "4mbit"},
        {"relay", "stun", "off"},
        {"dns", "resolver", "192.0.2.1"},
    };
    memcpy(text, data, size);
    char *once = confedit_apply(text, edits, 3);
    char *twice = confedit_apply(once, edits, 3);
    if (strcmp(once, twice) != 0)
        abort();
    for (size_t i = 0; i < 3; i++)
        if (!confedit_get(once, edits[i].section, edits[i].key, value, sizeof value) ||
            strcmp(value, edits[i].value) != 0)
            abort();
    free(twice);
    free(once);
    free(text);
    return 0;
}
