/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a journal: refused with a reason, or printed and read back the same. */
#include "installer/journal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(size + 1, 1);
    struct journal j, k;
    struct fault f = {.text = ""};
    memcpy(text, data, size);
    if (journal_parse(text, &j, &f)) {
        char *once = journal_print(&j);
        if (!journal_parse(once, &k, &f))
            abort();
        char *twice = journal_print(&k);
        if (strcmp(once, twice) != 0)
            abort();
        free(once);
        free(twice);
        journal_free(&k);
        journal_free(&j);
    } else if (!f.text[0]) {
        abort();
    }
    free(text);
    return 0;
}
