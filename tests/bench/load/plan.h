/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be done, read from a JSON file. Its members:
 *
 *   to, name, ca       address and port of the relay, its name, and the file that vouches for it
 *   server             its process, whose CPU time and memory are told; 0: none
 *   first, clients     the clients that are made here; their keys come from their numbers
 *   at_once            logins that are under way at a time
 *   settle, warm_up, seconds, drain      seconds of the phases
 *   spin               true: never sleep; ticker.h says why
 *   wait_for           anything: after the logins a line on standard input is waited for
 *   groups             a list of
 *     name, size       bytes of a packet
 *     rate             packets a second, of all pairs together; 0: as many as are taken
 *     burst            packets that are due at a time
 *     share            what those share: "record" (of TLS), "write" (each has a record of its own),
 *                      or "nothing"
 *     poisson, disco   true: at random times; looking like Tailscale's disco
 *     pairs            a list of [from, to] or [from, to, weight]
 */
#ifndef TESTS_BENCH_LOAD_PLAN_H
#define TESTS_BENCH_LOAD_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/net.h"

enum plan_share { PLAN_SHARE_NOTHING, PLAN_SHARE_WRITE, PLAN_SHARE_RECORD };

struct plan_pair {
    unsigned from, to; /* numbers of clients */
    double weight;
};

struct plan_group {
    char *name;
    unsigned size; /* bytes of a packet */
    unsigned burst;
    double rate;
    enum plan_share share;
    bool is_poisson, is_disco;
    struct plan_pair *pairs;
    size_t pair_count;
};

struct plan {
    struct endpoint to;
    char *name, *ca;
    pid_t server;
    unsigned first, clients, at_once;
    double settle, warm_up, seconds, drain;
    bool spins;
    bool waits; /* for a line on standard input */
    struct plan_group *groups;
    size_t group_count;
};

bool plan_read(const char *path, struct plan *p, struct fault *f);
void plan_free(struct plan *p);

#endif
