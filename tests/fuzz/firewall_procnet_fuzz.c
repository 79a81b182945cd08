/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets, routes and control groups as /proc tells them. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/cgroup.h"
#include "firewall/procnet.h"
#include "firewall/surroundings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct procnet all = {0};
    unsigned long inode;
    char unit[32], container[24], name[16];
    char *text = mem_alloc(n + 1, 1);
    memcpy(text, data, n);
    procnet_parse(text, PORTS_TCP, &all);
    for (size_t i = 0; i < all.count; i++) {
        int family = all.list[i].local.any.sa_family;
        if (family != AF_INET && family != AF_INET6)
            abort();
    }
    procnet_free(&all);
    if (procnet_inode(text, &inode) && inode == 0)
        abort();
    char session[CGROUP_SESSION];
    cgroup_session(text, session);
    cgroup_parse(text, unit, sizeof unit, container, sizeof container);
    surroundings_parse_route(text, name);
    if (strlen(unit) >= sizeof unit || strlen(container) >= sizeof container ||
        strlen(name) >= sizeof name)
        abort();
    free(text);
    return 0;
}
