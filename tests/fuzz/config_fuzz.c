/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files: whatever a person, an editor or a broken disk may leave in derp.conf. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c = {0};
    struct fault f = {.text = ""};
    char *text = mem_alloc(size + 1, 1);
    memcpy(text, data, size);

    bool ok = config_parse("derp.conf", text, &c, &f);
    if (ok) {
        assert(c.listen.count > 0 && c.metrics.count <= 1 && c.workers <= 64);
        assert(c.source != CONFIG_SOURCE_ACME || c.domain);
        assert(c.source != CONFIG_SOURCE_FILES || (c.chain && c.key));
        for (size_t i = 0; i < c.metrics.count; i++)
            assert(endpoint_is_loopback(&c.metrics.list[i]));
    } else {
        assert(strncmp(f.text, "derp.conf:", 10) == 0 && !strchr(f.text, '\n'));
        assert(!c.domain && c.listen.count == 2);
    }
    config_free(&c);
    free(text);
    return 0;
}
