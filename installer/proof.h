/* SPDX-License-Identifier: Apache-2.0 */
/* Step: the relay relays. As a client would see it, as far as that can be seen from here. */
#ifndef INSTALLER_PROOF_H
#define INSTALLER_PROOF_H

#include "installer/setup.h"

/*
 * For each public address family: TLS with our certificate, a DERP login and a packet between two
 * clients of our own, a STUN answer. Findings proof.tls, proof.derp, proof.stun (ok or fail), and
 * proof.outside (warn: what cannot be seen from here). Where the address is not on an interface
 * (NAT), the relay is asked at the loopback address instead.
 */
void proof_check(struct setup *s, struct findings *all);

/* The same as a step of the run: EXIT_SERVICE when a part fails. */
enum setup_exit proof_run(struct setup *s);

#endif
