/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: what derp-acme knows as Prometheus text. It is the file metrics.prom beside the link, which
 * derpd adds to its own /metrics. */
#ifndef ACME_REPORT_H
#define ACME_REPORT_H

#include "acme/facts.h"
#include "acme/state.h"
#include "base/buf.h"

#define REPORT_BYTES_MAX 4096

/* Appends it. */
void report_print_metrics(const struct state *state, const struct facts *facts, struct buf *out);

#endif
