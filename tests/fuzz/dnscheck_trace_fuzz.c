/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver's log: any text. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dnscheck/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct trace t;
    char *log = mem_alloc(n + 1, 1);
    memcpy(log, p, n);
    trace_read(log, "derp.demo.com", &t);
    if (!memchr(t.zone, '\0', sizeof t.zone) || !memchr(t.server, '\0', sizeof t.server) ||
        !memchr(t.error, '\0', sizeof t.error))
        abort();
    free(log);
    return 0;
}
