/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a CA's directory, and as its URL. */
#include "installer/directory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static void check(struct directory *d)
{
    for (size_t i = 0; i < d->count; i++)
        if (!text_is_hostname(d->names[i], NULL))
            abort();
    ca_directory_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(size + 1, 1);
    struct directory d;
    struct fault f = {.text = ""};
    memcpy(text, data, size);
    if (!directory_parse(text, &d, &f) && !f.text[0])
        abort();
    check(&d);
    char *account = directory_account(text, "https://ca.test/dir");
    for (const char *c = account ? account : ""; *c; c++)
        if (*c <= ' ' || *c > '~')
            abort();
    free(account);
    directory_guess(text, &d);
    check(&d);
    free(text);
    return 0;
}
