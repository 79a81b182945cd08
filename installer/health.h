/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that look: status (quick) and doctor (everything). Both change nothing. */
#ifndef INSTALLER_HEALTH_H
#define INSTALLER_HEALTH_H

#include "installer/setup.h"

/* Service, certificate, next renewal, connections. 0 healthy, 1 degraded, 3 not set up. */
enum setup_exit health_status(struct setup *s);

/* The checks of the preflight, the firewall as it is, status, and the proof. */
enum setup_exit health_doctor(struct setup *s);

#endif
