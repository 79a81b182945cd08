/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DERP_OPS_RENEWALS_H
#define DERP_OPS_RENEWALS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"

#define RENEWALS_MAX 8192

/*
 * The numbers of derp-acme for /metrics, which it writes to metrics.prom beside the link
 * `current`; "" when there are none. What is not metrics of derp-acme is left out as a whole: text
 * of another program does not become ours.
 */
void renewals_read(const struct config *config, char text[static RENEWALS_MAX]);

/* True when each line is a metric derp_acme_… or a comment about one. */
bool renewals_sound(const char *text, size_t n);

#endif
