/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc/PID/cgroup says about where a process belongs (cgroups(7)). Pure. */
#ifndef FIREWALL_CGROUP_H
#define FIREWALL_CGROUP_H

#include <stddef.h>

/*
 * The systemd unit ("nginx.service") and the container ("docker 3f2c1d0a9b8e", "podman …",
 * "lxc web", "kubernetes …") that the text names; "" for what it does not name.
 */
void cgroup_parse(const char *text, char *unit, size_t unit_cap, char *container,
                  size_t container_cap);

/* The login session ("session-5.scope") that logind keeps the process in; "" where there is none.
 */
#define CGROUP_SESSION 64
void cgroup_session(const char *text, char name[static CGROUP_SESSION]);

#endif
