/* SPDX-License-Identifier: Apache-2.0 */
/* Installing ufw with apt-get: never at the price of another package. */
#ifndef FIREWALL_APT_H
#define FIREWALL_APT_H

#include <stdbool.h>

#include "base/finding.h"

/* What a simulation (apt-get -s) says it would do. */
struct apt_simulation {
    bool installs; /* the package wanted */
    char *removes; /* names of the packages that would go, "a b", NULL when none */
};

/* Pure: reads the "Inst" and "Remv" lines of `apt-get -s install PACKAGE`. free(removes). */
void apt_parse_simulation(const char *text, const char *package, struct apt_simulation *s);

enum apt_answer {
    APT_READY,       /* can be installed as things are */
    APT_NEEDS_LISTS, /* can be installed after apt-get update */
    APT_CONFLICT,    /* would remove other packages */
    APT_UNABLE,
};

/*
 * Asks apt by simulation whether ufw can be installed, if need be with lists fetched into a
 * temporary folder; the system is not changed. Adds the finding.
 */
enum apt_answer apt_ask(const volatile int *stop, struct findings *all);

/* apt-get update (when wanted), the simulation once more, then the installation. false: a finding
 * says why, and nothing was changed but perhaps apt's lists. on_line: what apt says, may be NULL.
 */
bool apt_install(bool update, const volatile int *stop, void (*on_line)(void *arg, const char *),
                 void *arg, struct findings *all);

#endif
