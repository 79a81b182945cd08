/* SPDX-License-Identifier: Apache-2.0 */
/* Logins over SSH, told apart by when their connections began. */
#ifndef FIREWALL_LOGIN_H
#define FIREWALL_LOGIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/net.h"

/*
 * Has somebody logged in from another host, by a connection that began after since (on the scale
 * of process.started)? Then its address is in from. Connections without a login, such as those of
 * scanners, do not count; nor do those of an SSH server other than OpenSSH, which cannot be told
 * from them.
 */
bool login_seen(uint64_t since, struct endpoint *from);

enum login_here {
    LOGIN_NEW,   /* this program runs in a login that began after since, or at the console */
    LOGIN_OLD,   /* in an older one */
    LOGIN_LOCAL, /* in one that comes from this very server */
    LOGIN_UNSURE /* in one whose connection cannot be found, such as in tmux */
};

/* Which login this program itself was started from. run: the process that makes the change, 0 when
 * it is not known; whoever shares its session has not logged in anew. */
enum login_here login_here(uint64_t since, pid_t run, struct endpoint *from);

#endif
