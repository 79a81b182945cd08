/* SPDX-License-Identifier: Apache-2.0 */
/* What sshd -T, systemctl show, SSH_CONNECTION, /proc/PID/stat and the marker say. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/marker.h"
#include "firewall/sshtext.h"

static void check(const struct ssh_ports *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].port == 0 || all->list[i].sources == 0 ||
            (i > 0 && all->list[i].port <= all->list[i - 1].port))
            abort();
}

/* What was understood comes back the same. */
static void check_marker(const char *text)
{
    struct marker m, again;
    marker_parse(text, &m);
    char *printed = marker_print(&m);
    marker_parse(printed, &again);
    free(printed);
    if (m.pid != again.pid || m.wants_login != again.wants_login || m.since != again.since ||
        m.started != again.started || strcmp(m.boot, again.boot) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ssh_ports all = {0};
    char *text = mem_alloc(n + 1, 1);
    memcpy(text, data, n);
    ssh_parse_config(text, &all);
    check(&all);
    size_t before = all.count;
    if (!ssh_parse_unit(text, &all) && all.count != before)
        abort();
    ssh_ports_add(&all, ssh_parse_connection(text), FIREWALL_SSH_ENVIRONMENT);
    check(&all);
    free(ssh_ports_print(all.list, all.count));
    free(all.list);
    struct process p;
    process_parse_stat(text, &p);
    check_marker(text);
    ssh_title_parse(text);
    free(text);
    return 0;
}
