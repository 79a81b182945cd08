/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what other programs and the relay print, and as a terminal line. */
#include "installer/certificate.h"
#include "installer/relaystatus.h"
#include "installer/server.h"
#include "installer/service.h"
#include "installer/undo.h"
#include "installer/wrap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(size + 1, 1);
    char out[64];
    char *words[UNDO_WORDS];
    struct service_state service;
    struct relaystatus relay;
    struct fault f;
    memcpy(text, data, size);
    service_parse(text, &service);
    server_os_name(text, out, sizeof out);
    certificate_reason(text, out, sizeof out);
    relaystatus_parse(text, &relay, &f);
    wrap_clean(text, out, sizeof out);
    for (const char *c = out; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            abort();
    undo_split(text, words, &f);
    free(text);
    return 0;
}
