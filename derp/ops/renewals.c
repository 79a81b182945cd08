/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/ops/renewals.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"

bool renewals_sound(const char *text, size_t n)
{
    static const char *const begins[] = {"derp_acme_", "# HELP derp_acme_", "# TYPE derp_acme_"};
    const char *end = text + n;
    while (text < end) {
        const char *line = text, *stop = memchr(text, '\n', (size_t)(end - text));
        bool known = false;
        if (!stop)
            return false;
        for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
            size_t length = strlen(begins[i]);
            known |= (size_t)(stop - line) > length && memcmp(line, begins[i], length) == 0;
        }
        for (const char *p = line; p < stop; p++)
            known = known && *p >= ' ' && *p <= '~';
        if (!known)
            return false;
        text = stop + 1;
    }
    return true;
}

void renewals_read(const struct config *config, char text[static RENEWALS_MAX])
{
    struct buf b;
    struct fault ignored;
    text[0] = '\0';
    if (config->source != CONFIG_SOURCE_ACME)
        return;
    char *path = file_join(config->cert_dir, "metrics.prom");
    buf_init(&b, RENEWALS_MAX - 1);
    if (file_read(path, &b, &ignored) && renewals_sound(buf_text(&b), b.len)) {
        memcpy(text, b.data, b.len);
        text[b.len] = '\0';
    }
    buf_free(&b);
    free(path);
}
