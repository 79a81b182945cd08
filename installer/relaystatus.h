/* SPDX-License-Identifier: Apache-2.0 */
/* What the running relay says of itself on its loopback status page. */
#ifndef INSTALLER_RELAYSTATUS_H
#define INSTALLER_RELAYSTATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"
#include "base/fault.h"

struct relaystatus {
    char version[32];
    char certificate[32]; /* "good", "temporary", … */
    char problem[256];    /* why a certificate was refused; "" */
    int64_t uptime;       /* seconds */
    int64_t open;         /* connections */
    int64_t clients;      /* of them logged in */
    int64_t relayed;      /* packets sent on */
    int64_t bytes;        /* in the packets of devices that were sent on */
    int64_t dropped;
    int64_t stun; /* answers */
};

/* Reads the page's JSON. Pure. */
bool relaystatus_parse(const char *text, struct relaystatus *status, struct fault *f);

/* Asks the relay of this config; false too when its page is off. */
bool relaystatus_read(const struct config *c, struct relaystatus *status, struct fault *f);

/* The numbers as a JSON object, with the days that the certificate has left; free() it. Pure. */
char *relaystatus_json(const struct relaystatus *status, long days_left);

#endif
