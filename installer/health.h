/* SPDX-License-Identifier: Apache-2.0 */
/* The verb status: is it running? Quick, and changes nothing. Its parts are doctor's, too. */
#ifndef INSTALLER_HEALTH_H
#define INSTALLER_HEALTH_H

#include "installer/leaf.h"
#include "installer/setup.h"

/* Service, certificate, next renewal, connections. 0 healthy, 1 degraded, 3 not set up. */
enum setup_exit health_status(struct setup *s);

/* Loads s. true: there is a config to judge; else *code is what to end with. */
bool health_is_set_up(struct setup *s, enum setup_exit *code);

/* Units: service.*; fills service_active and service_pid of s. */
void health_service(struct setup *s, struct findings *all);
/* The certificate on the disk: certificate.ok, .soon, .missing, .name, .expired. */
void health_certificate(struct setup *s, struct findings *all);
/* One that a CA has given; pure. */
void health_judge_certificate(const char *domain, const struct leaf *leaf, time_t now,
                              struct findings *all);
/* What comes next for it and why the last try failed, what the CA has proven: certificate.next,
 * certificate.problem, outside.tls. */
void health_renewal(struct setup *s, struct findings *all);
/* What the relay says of itself, when service_active: relay.* */
void health_relay(struct setup *s, struct findings *all);
/* Limits of the relay and the kernel, after health_service: limits.*, service.libraries. */
void health_limits(struct setup *s, struct findings *all);

/* The exit code that follows from everything reported. */
enum setup_exit health_verdict(const struct setup *s);

#endif
