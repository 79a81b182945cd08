/* SPDX-License-Identifier: Apache-2.0 */
/* The loopback HTTP port: /metrics for Prometheus, /status and /connections as JSON. */
#ifndef DERP_OPS_ADMIN_H
#define DERP_OPS_ADMIN_H

#include "base/fault.h"
#include "base/net.h"
#include "derp/net/loop.h"
#include "derp/ops/report.h"
#include "derp/relay/relay.h"

struct admin;

/* Listens at (its real port is written back). collect fills a snapshot for each request; relay,
 * whose connections are listed, must outlive it. */
struct admin *admin_new(struct endpoint *at, struct loop *loop, struct relay *relay,
                        void (*collect)(void *arg, struct report *r), void *arg, struct fault *f);
void admin_free(struct admin *a);

#endif
