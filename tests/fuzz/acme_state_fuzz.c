/* SPDX-License-Identifier: Apache-2.0 */
/* Our own files, after a disk or a person has had them. */
#include <stdlib.h>
#include <string.h>

#include "acme/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct state s, again;
    struct account a;
    struct fault f;
    bool newer;
    if (state_parse(data, n, &s, &newer, &f)) {
        /* What was read is written and read as the same. */
        char *one = state_print(&s);
        if (!state_parse(one, strlen(one), &again, &newer, &f))
            abort();
        char *two = state_print(&again);
        if (strcmp(one, two) != 0)
            abort();
        free(one);
        free(two);
        state_free(&again);
        state_free(&s);
    }
    if (account_parse(data, n, &a, &f))
        account_free(&a);
    return 0;
}
