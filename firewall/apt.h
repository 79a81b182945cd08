/* SPDX-License-Identifier: Apache-2.0 */
/* Installing ufw with apt-get, and taking it away again: never at the price of another package. */
#ifndef FIREWALL_APT_H
#define FIREWALL_APT_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/finding.h"

/* How the journal's command begins that takes away ufw and what came along with it: with its files
 * below /etc, or without them where they were there before. */
#define APT_PURGE  "apt-get purge"
#define APT_REMOVE "apt-get remove"

/* What a simulation (apt-get -s) says it would do. */
struct apt_simulation {
    bool installs; /* the package wanted */
    char *brings;  /* names of the packages that would come anew, "a b", NULL when none */
    char *removes; /* names of the packages that would go, "a b", NULL when none */
};

/* Pure: reads the "Inst", "Remv" and "Purg" lines of `apt-get -s …`. */
void apt_parse_simulation(const char *text, const char *package, struct apt_simulation *s);
void apt_simulation_free(struct apt_simulation *s);

/* Pure, on lists of names as above (NULL: none). The names of a that b has, or has not; NULL when
 * there are none. free it. */
char *apt_names_in(const char *a, const char *b);
char *apt_names_not_in(const char *a, const char *b);

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

/*
 * apt-get update (when wanted) and the simulation once more, right before installing. *packages:
 * ufw and what will come along with it, "a b"; free it. false: a finding says why, and nothing was
 * changed but perhaps apt's lists.
 */
bool apt_prepare(bool update, const volatile int *stop, char **packages, struct findings *all);

/* Has an earlier ufw, that was removed and not purged, left its files? true also when dpkg cannot
 * say, as they are not ours then. */
bool apt_has_left_files(const volatile int *stop);

/* Installs ufw. false: a finding says why. on_line: what apt says, may be NULL. */
bool apt_install(const volatile int *stop, void (*on_line)(void *arg, const char *), void *arg,
                 struct findings *all);

/*
 * Of packages that once came with ufw ("a b"): those that may go together with it, since nothing
 * that stays needs them and nobody has asked for them since. "" when there are none; NULL with a
 * reason when apt cannot say. free it.
 */
char *apt_unneeded(const char *packages, const volatile int *stop, struct fault *f);

#endif
