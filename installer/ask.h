/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the person at the terminal. */
#ifndef INSTALLER_ASK_H
#define INSTALLER_ASK_H

#include <stdbool.h>

#include "installer/report.h"

/* True when somebody can be asked: standard input is a terminal and --no-input was not given. */
bool ask_is_possible(const struct options *o);

/* "question [y/N] ": true for y or yes. End of input, an interrupt and anything else mean no. */
bool ask_yes(struct report *r, const char *question);

/* Reads an answer into line, trimmed; false at the end of input and when interrupted. */
bool ask_line(struct report *r, const char *question, char *line, size_t cap);

/* True when exactly this word is typed. */
bool ask_word(struct report *r, const char *question, const char *word);

#endif
