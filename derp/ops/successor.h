/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate that follows the relay's own one: made a year before its end under the same key,
 * put in its place after a notice (base/selfsigned.h). */
#ifndef DERP_OPS_SUCCESSOR_H
#define DERP_OPS_SUCCESSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/config.h"
#include "derp/net/identity.h"

struct successor {
    time_t changes_at;  /* 0: there is none */
    uint8_t sha256[32]; /* of its leaf */
    time_t told;        /* when the log was last told */
};

/*
 * Does what is due now for the certificate that is presented. Keeps *s up to date, logs what is to
 * come, at most once a week. true: another certificate is in place in state-dir and is to be read.
 */
bool successor_look(const struct config *c, const struct identity *present, time_t now,
                    struct successor *s);

#endif
