/* SPDX-License-Identifier: Apache-2.0 */
/* The relay's numbers as texts: Prometheus exposition and JSON. Pure: a snapshot in, text out. */
#ifndef DERP_OPS_REPORT_H
#define DERP_OPS_REPORT_H

#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "derp/ops/certificate.h"
#include "derp/ops/renewals.h"
#include "derp/relay/relay.h"

struct report {
    const char *domain; /* may be NULL */
    struct node_key server_key;
    time_t now;
    time_t started;
    unsigned workers;
    uint64_t reloads_ok; /* of the config */
    uint64_t reloads_failed;
    uint64_t accepts_refused; /* by accept-limit */
    struct certificate_status certificate;
    struct relay_gauges gauges;
    uint64_t counters[COUNTERS];
    struct mesh_status mesh[CONFIG_MAX_MESH];
    size_t mesh_count;
    char renewals[RENEWALS_MAX]; /* lines of derp-acme (renewals.h), "": none */
};

/* Prometheus text format 0.0.4. */
void report_metrics(const struct report *r, struct buf *out);

/* One JSON object; see derpd(8) for its members. */
void report_status(const struct report *r, struct buf *out);

/* The list of connections, one JSON object, in pieces: begin, each client on a line of its own with
 * its number from 0 on, end. */
void report_connections_begin(struct buf *out);
void report_connection(const struct relay_client *c, size_t number, struct buf *out);
void report_connections_end(struct buf *out);

#endif
