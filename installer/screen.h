/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a relay on one screen, 80 columns and fewer than 24 lines. Pure. */
#ifndef INSTALLER_SCREEN_H
#define INSTALLER_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "installer/relaystatus.h"

/* What there is to see at one moment. */
struct screen {
    const char *domain;
    int64_t at_ms; /* monotonic */
    bool runs;
    bool known; /* relay was read; else reason says why not */
    struct relaystatus relay;
    const char *reason;
    char certificate[480]; /* "89 days left (until …), by …" */
    char renewal[480];     /* what comes next for it; "" */
};

/*
 * Appends the screen, each line cut to width columns. before: the previous moment, for what happens
 * each second; NULL: there was none.
 */
void screen_print(const struct screen *now, const struct screen *before, int width,
                  struct buf *out);

#endif
