/* SPDX-License-Identifier: Apache-2.0 */
/* derpd.service and derp-acme.timer through systemctl. */
#ifndef INSTALLER_SERVICE_H
#define INSTALLER_SERVICE_H

#include <stdbool.h>

#include "base/buf.h"
#include "installer/setup.h"

#define SERVICE_RELAY "derpd.service"
#define SERVICE_TIMER "derp-acme.timer"
#define SERVICE_ACME  "derp-acme.service"

/* What systemd says of a unit. */
struct service_state {
    bool active; /* running, or waiting in the case of a timer */
    bool failed;
    bool enabled; /* starts at boot */
    unsigned restarts;
    unsigned pid; /* of its main process, 0: none */
};

/* Reads the output of `systemctl show -p ActiveState,UnitFileState,NRestarts,MainPID UNIT`. Pure.
 */
void service_parse(const char *text, struct service_state *state);

/* Asks systemd. false with a reason when it does not answer. */
bool service_read(const char *unit, struct service_state *state, struct fault *f);

/* Fills service_active and its neighbours of s. */
void service_look(struct setup *s);

/* `systemctl VERB UNIT`, waiting for the job to end. */
bool service_do(const char *verb, const char *unit, struct fault *f);

/* Makes the package's folders below /var/lib that are missing, with owner and mode, as a boot and
 * the units do. What cannot be made is found by who needs it. */
void service_make_folders(void);

/* Shows the last lines of a unit's journal. */
void service_show_journal(struct setup *s, const char *unit);

/* Step: derpd is enabled, runs, and with the present config. */
bool service_is_needed(const struct setup *s);
void service_describe(const struct setup *s, struct buf *text);
enum setup_exit service_run(struct setup *s);

/* Step: the timer that renews is enabled and runs; after the first attempt at a certificate, so
 * that the two do not meet. */
bool service_timer_is_needed(const struct setup *s);
void service_timer_describe(const struct setup *s, struct buf *text);
enum setup_exit service_timer_run(struct setup *s);

#endif
