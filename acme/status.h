/* SPDX-License-Identifier: Apache-2.0 */
/* `derp-acme status`: what is installed, what is served, what comes next. Reads only. */
#ifndef ACME_STATUS_H
#define ACME_STATUS_H

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "acme/facts.h"
#include "acme/probe.h"
#include "acme/state.h"
#include "base/config.h"

struct status {
    const struct config *config;
    struct state state;
    struct facts facts;
    bool good; /* a usable certificate that has not expired */
    enum probe_served served;
    char served_text[512];     /* what is served instead */
    struct chain_facts seen;   /* of the leaf that the port shows, all 0: none */
    time_t renew_at;           /* 0 without a usable certificate */
    enum schedule_answer next; /* what `run` would do now */
};

/* Gathers it; false with a reason when the state cannot be read. Free with status_free. */
bool status_gather(const struct config *config, struct status *st, struct fault *f);
void status_free(struct status *st);

/* For people. */
void status_print(const struct status *st, FILE *out);

/* One JSON object in one line, to free() (message_status.c). */
char *status_json(const struct status *st);

/* Has the first CA said that it does not offer the configured profile? */
bool status_profile_denied(const struct status *st);

/* "same", "other", "nobody". */
const char *status_served_name(enum probe_served served);

#endif
