/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What derp-setup has done to this server and was told about it, /var/lib/derp-setup/journal.json:
 * written before and after each step, so that a run that was cut off is continued by the next one
 * and uninstall takes back exactly what is listed. Reading and printing are pure.
 */
#ifndef INSTALLER_JOURNAL_H
#define INSTALLER_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

#define JOURNAL_SCHEMA 1
#define JOURNAL_MAX    (256 * 1024) /* bytes of a journal that is read */

/* One change to the server, told before it is made. Strings are owned, never NULL. */
struct journal_change {
    char *what;   /* "file", "unit", "rule", "package", … */
    char *detail; /* the file, unit or command */
    char *undo;   /* the command that takes it back; "" when there is none */
};

enum journal_state { JOURNAL_STARTED, JOURNAL_DONE };

struct journal_step {
    char *name;
    enum journal_state state;
};

/* Settings that have no place in derp.conf. Strings are owned; NULL: not given. */
struct journal_settings {
    char *ip4; /* --ip4, --ip6 */
    char *ip6;
    char *map4; /* the addresses of the derpMap, as the last run found them; NULL: none */
    char *map6;
    bool no_ipv6;
    bool no_firewall; /* --firewall=none */
    unsigned region_id;
    char *region_code;
    char *region_name;
};

struct journal {
    char *domain; /* NULL: nothing was set up yet */
    /* Fingerprint of derp.conf as derp-setup has written it, and while that is written anew of both
     * texts, separated by a space; NULL: not ours, or edited by hand since. */
    char *config;
    struct journal_settings settings;
    struct journal_step *steps;
    size_t step_count;
    struct journal_change *changes; /* oldest first */
    size_t change_count;
    bool pending;        /* a firewall change is under way: its changes may all be undone at once */
    size_t pending_from; /* the first of them */
};

/* Reads a journal's text into j (zeroed or freed before). On failure j is empty. */
bool journal_parse(const char *text, struct journal *j, struct fault *f);

/* The text of a journal; free() it. */
char *journal_print(const struct journal *j);

/* journal_parse of a file; a missing file gives an empty journal. */
bool journal_load(const char *path, struct journal *j, struct fault *f);

/* Replaces the file at path (0600) unless it has this content already. */
bool journal_save(const char *path, const struct journal *j, struct fault *f);

/* Notes that a step starts or is done. */
void journal_mark(struct journal *j, const char *step, enum journal_state state);

/* True when this step was started and never finished. */
bool journal_is_open(const struct journal *j, const char *step);

/* Adds a change unless the same one (what and detail) is listed already. */
void journal_add(struct journal *j, const char *what, const char *detail, const char *undo);

/* Begins a pending change; ends it, kept or, when it was undone, without its changes (a package
 * stays installed). */
void journal_begin(struct journal *j);
void journal_end(struct journal *j, bool undone);

/* Takes the newest change off the list, once it has been undone. */
void journal_drop(struct journal *j);

/* Makes the newest change of this kind whose detail starts like this the newest of all, to be
 * undone next. false: there is none. */
bool journal_raise(struct journal *j, const char *what, const char *start);

/* Replaces an owned string; value NULL clears it. */
void journal_set(char **field, const char *value);

void journal_free(struct journal *j);

#endif
