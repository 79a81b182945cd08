/* SPDX-License-Identifier: Apache-2.0 */
/* Takes back what the journal lists, newest first. */
#ifndef INSTALLER_UNDO_H
#define INSTALLER_UNDO_H

#include <stdbool.h>

#include "base/fault.h"
#include "installer/setup.h"

#define UNDO_WORDS 64

/*
 * Splits an undo command at spaces; single quotes hold words together. words gets pointers into
 * text, which is changed, and a NULL at the end. false: too many words, an open quote, or a
 * program that undo has no business with. Pure.
 */
bool undo_split(char *text, char *words[static UNDO_WORDS], struct fault *f);

/* The verb: shows what will be undone, asks, undoes. */
enum setup_exit undo_run(struct setup *s);

#endif
