/* SPDX-License-Identifier: Apache-2.0 */
/* derpd --who: the connections of the running relay, asked on its metrics address. */
#ifndef DERP_OPS_WHO_H
#define DERP_OPS_WHO_H

#include <stdbool.h>
#include <stdio.h>

#include "base/config.h"
#include "base/fault.h"

/* Prints a table, or the JSON as it came, to out. */
bool who_print(const struct config *c, bool as_json, FILE *out, struct fault *f);

/* The table of a list that the relay gave (derpd(8), /connections): who relays most comes first.
 * Pure but for out. */
bool who_table(const char *json, FILE *out, struct fault *f);

#endif
