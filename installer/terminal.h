/* SPDX-License-Identifier: Apache-2.0 */
/* What the terminal is like. */
#ifndef INSTALLER_TERMINAL_H
#define INSTALLER_TERMINAL_H

#include <stdbool.h>

/* Columns to write in just now, 20 to 100; otherwise where fd is no terminal or does not know. */
int terminal_width(int fd, int otherwise);

/* True for a console at the end of a slow line, often with little of a terminal's mind. */
bool terminal_is_serial(int fd);

/* The same, of a terminal's name. */
bool terminal_name_is_serial(const char *name);

#endif
