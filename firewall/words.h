/* SPDX-License-Identifier: Apache-2.0 */
/* Splitting a line into words as a shell would, without any expansion. Pure. */
#ifndef FIREWALL_WORDS_H
#define FIREWALL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The words of one line; list[count] is NULL. */
struct words {
    char **list;
    size_t count;
};

/*
 * Splits at blanks; "…" with backslash escapes and '…' group, and a backslash outside quotes
 * takes the next character as it is. false when a quote is not closed; words is then empty.
 */
bool words_split(const char *line, struct words *words);
void words_free(struct words *words);

/* "KEY=value" lines as in /etc/default/…: the last value of key, unquoted, into a new string;
 * NULL when the key is not set. Comments and other lines are skipped. */
char *words_setting(const char *text, const char *key);

#endif
