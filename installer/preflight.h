/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that can be known before anything is changed. Reads only; tells all failures at once.
 */
#ifndef INSTALLER_PREFLIGHT_H
#define INSTALLER_PREFLIGHT_H

#include "installer/setup.h"

/*
 * Runs all checks (after setup_load), shows what they find and fills s for the plan. EXIT_DONE when
 * nothing failed; EXIT_PREFLIGHT, EXIT_DNS (only the domain is not ready, --wait-dns was given and
 * ran out) or EXIT_INTERRUPTED.
 */
enum setup_exit preflight_run(struct setup *s);

/* Own addresses for s, then domain and CAA, which is judged by the names of ca; without waiting.
 * Also used by doctor. */
void preflight_own(struct setup *s, struct findings *all);
void preflight_domain(struct setup *s, const struct directory *ca, struct findings *all);

/* Who holds the ports; ours count as free. */
void preflight_ports(struct setup *s, struct findings *all);

#endif
