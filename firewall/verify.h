/* SPDX-License-Identifier: Apache-2.0 */
/* The proof, in parts: see firewall_verify for the whole. Pure. */
#ifndef FIREWALL_VERIFY_H
#define FIREWALL_VERIFY_H

#include "firewall/reach.h"

/* Does a new packet to this port reach ACCEPT in the table? A finding when it does not. */
bool verify_port(const struct firewall_facts *facts, const struct rules *table, enum family family,
                 const struct wanted *w, struct findings *all);

/*
 * The proof before ufw is enabled: the tables it would load from its files let every wanted port
 * in. Default policies are taken as they stand in the files.
 */
bool verify_files(const struct firewall_options *o, const struct firewall_state *state,
                  struct findings *all);

#endif
