/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use the relay, and how much bandwidth it has: what the first run has to know and no flag
 * says. What can be found out is, the rest is asked where somebody can answer.
 */
#ifndef INSTALLER_CHOOSE_H
#define INSTALLER_CHOOSE_H

#include "installer/setup.h"

/*
 * Fills clients and uplink of the options where they are missing and there is no config yet. A
 * tailscaled on this server that answers, or an earlier derper's -verify-clients or
 * -verify-client-url, decides who may use the relay. Otherwise a person at the terminal is asked;
 * with
 * --yes it is anyone, which the checks say loudly. EXIT_DONE; EXIT_USAGE: a question was not
 * answered; EXIT_INTERRUPTED.
 */
enum setup_exit choose_missing(struct setup *s);

#define CHOOSE_VALUE 512

/*
 * Reads a unit file (systemd.unit(5)): whom its derper admits, as a value of --clients, into value.
 * false: it starts no derper, or one that admits anyone. Pure.
 */
bool choose_of_derper(const char *unit, char value[static CHOOSE_VALUE]);

#endif
