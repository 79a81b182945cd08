/* SPDX-License-Identifier: Apache-2.0 */
/* What apt-get -s says it would do, and ports as people write them. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/apt.h"
#include "firewall/firewall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct apt_simulation s;
    struct firewall_port port;
    struct fault f;
    char *text = mem_alloc(n + 1, 1);
    memcpy(text, data, n);
    apt_parse_simulation(text, "ufw", &s);
    if (s.installs && !strstr(text, "Inst ufw"))
        abort();
    char *in = apt_names_in(text, s.removes), *out = apt_names_not_in(text, s.removes);
    char *none = apt_names_in(out, in);
    if (none || (!s.removes && in))
        abort();
    free(in);
    free(out);
    apt_simulation_free(&s);
    if (firewall_port_parse(text, &port, &f) && port.port == 0)
        abort();
    free(text);
    return 0;
}
