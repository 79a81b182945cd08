/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be done, read from a JSON file:
 *
 *   {"to": "127.0.0.1:443", "name": "relay.test", "ca": "ca.pem",  the relay and who vouches for it
 *    "server": 4711,          its process; CPU time and memory of it are told. 0: none
 *    "first": 0, "clients": 20,   the clients that are made here; their keys come from their
 * numbers "at_once": 32,           logins that are under way at a time "settle": 1, "warm_up": 2,
 * "seconds": 5, "drain": 2,   seconds of the phases "wait_for": "go",        after the logins a
 * line on standard input is waited for (may be left out) "groups": [{"name": "bulk", "size": 1312,
 * "pack": 8, "rate": 10000, "poisson": false, "disco": false, "pairs": [[0, 1], [2, 3, 0.5]]}]}
 *
 * A group's rate is packets a second, of all its pairs (from, to, weight: 1 unless given) together;
 * 0: as many as the connections take. pack packets are due at a time and share a TLS record.
 */
#ifndef TESTS_BENCH_LOAD_PLAN_H
#define TESTS_BENCH_LOAD_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/net.h"

struct plan_pair {
    unsigned from, to; /* numbers of clients */
    double weight;
};

struct plan_group {
    char *name;
    unsigned size; /* bytes of a packet */
    unsigned pack;
    double rate;
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
    bool waits; /* for a line on standard input */
    struct plan_group *groups;
    size_t group_count;
};

bool plan_read(const char *path, struct plan *p, struct fault *f);
void plan_free(struct plan *p);

#endif
