/* SPDX-License-Identifier: Apache-2.0 */
/* Any words as a command line: one per line of the input. */
#include "installer/options.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define MAX_WORDS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(size + 1, 1);
    char *argv[MAX_WORDS + 1] = {(char *)"derp-setup"};
    int argc = 1;
    struct options o;
    struct fault f = {.text = ""};
    memcpy(text, data, size);
    for (char *w = strtok(text, "\n"); w && argc < MAX_WORDS; w = strtok(NULL, "\n"))
        argv[argc++] = w;
    switch (options_parse(argc, argv, &o, &f)) {
    case OPTIONS_WRONG:
        if (!f.text[0])
            abort();
        break;
    case OPTIONS_RUN:
        if (o.domain[0] && !text_is_hostname(o.domain, NULL))
            abort();
        break;
    default:
        break;
    }
    free(text);
    return 0;
}
