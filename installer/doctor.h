/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb doctor: is it working, and if not, why? Everything is looked at again, layer by layer,
 * and nothing is changed.
 */
#ifndef INSTALLER_DOCTOR_H
#define INSTALLER_DOCTOR_H

#include "installer/setup.h"

/*
 * The checks of the preflight, the firewall as it is, status, and the proof. It takes less than
 * five seconds, whatever hangs: what has no answer by then is LABEL.late (warn). 0 healthy, 1
 * something failed, 3 not set up.
 */
enum setup_exit doctor_run(struct setup *s);

#endif
