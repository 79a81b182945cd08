/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about the machine: is it one the relay can live on? Reads only. */
#ifndef INSTALLER_SERVER_H
#define INSTALLER_SERVER_H

#include <stdbool.h>
#include <time.h>

#include "base/finding.h"

/*
 * server.systemd (fail: not booted with it), server.memory (warn), server.disk (warn, fail),
 * server.ok; package.incomplete (fail); clock.wrong (fail: earlier than the build),
 * clock.unsynchronised (warn), clock.ok.
 */
void server_check(struct findings *all);

/* Its parts, pure: server.disk (false: something was found; free in MiB, negative: unknown),
 * server.memory, clock.*. */
bool server_judge_disk(const char *folder, double free, struct findings *all);
void server_judge_memory(double mib, struct findings *all);
void server_judge_clock(time_t now, time_t built, bool synchronised, struct findings *all);

/* package.old (warn) when the program was built half a year ago or earlier. Pure. */
void server_judge_age(time_t built, time_t now, struct findings *all);

/* PRETTY_NAME of os-release text ("Ubuntu 24.04.1 LTS") into name; "Linux" without one. Pure. */
void server_os_name(const char *os_release, char *name, size_t cap);

#endif
